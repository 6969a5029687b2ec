// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pool/slot-table.hpp"

#include "pool/slot-choice.hpp"

#include <gst/check/gstcheck.h>

#include <set>
#include <stdexcept>
#include <vector>

using cudacam::choose_slot;
using cudacam::Readiness;
using cudacam::SlotTable;

GST_START_TEST(gives_the_slot_that_was_free_for_longest) {
  SlotTable table(3);
  fail_unless(table.take() == 0u);
  fail_unless(table.take() == 1u);
  table.release(1);
  table.release(0);
  fail_unless(table.take() == 2u);
  fail_unless(table.take() == 1u);
  fail_unless(table.take() == 0u);
}
GST_END_TEST

GST_START_TEST(gives_nothing_when_all_are_held) {
  SlotTable table(2);
  table.take();
  table.take();
  fail_unless(!table.take());
  table.publish(0);
  fail_unless(!table.take());
  table.release(0);
  fail_unless(table.take() == 0u);
}
GST_END_TEST

GST_START_TEST(takes_the_free_slot_that_it_is_told) {
  SlotTable table(3);
  table.take(1);
  fail_unless(table.state(1) == SlotTable::State::kWriting);
  fail_unless(table.free() == std::deque<unsigned>({0, 2}));
  table.release(1);
  fail_unless(table.free() == std::deque<unsigned>({0, 2, 1}));
}
GST_END_TEST

/// Every combination of answers of four slots.
GST_START_TEST(a_slot_that_is_ready_comes_before_one_that_must_be_waited_for) {
  constexpr Readiness kAnswers[] = {Readiness::kReady, Readiness::kAfterWait, Readiness::kNotYet};
  const std::vector<unsigned> free = {7, 5, 6, 4};
  for (int combination = 0; combination < 81; ++combination) {
    std::vector<Readiness> answers;
    for (int i = 0, rest = combination; i < 4; ++i, rest /= 3)
      answers.push_back(kAnswers[rest % 3]);
    std::optional<std::size_t> ready, waiting;
    for (std::size_t i = 0; i < 4; ++i) {
      if (answers[i] == Readiness::kReady && !ready) ready = i;
      if (answers[i] == Readiness::kAfterWait && !waiting) waiting = i;
    }
    std::size_t asked = 0;
    const auto choice = choose_slot(free, [&](unsigned slot) {
      fail_unless_equals_int(slot, free[asked]);
      return answers[asked++];
    });
    fail_unless_equals_int(choice.has_value(), ready || waiting);
    if (choice) {
      fail_unless_equals_int(choice->slot, free[ready ? *ready : *waiting]);
      fail_unless_equals_int(choice->wait, !ready);
    }
    // Each question is a call into the driver.
    fail_unless_equals_int(asked, ready ? *ready + 1 : 4);
  }
}
GST_END_TEST

GST_START_TEST(counts_each_state) {
  SlotTable table(3);
  table.take();
  table.take();
  table.publish(1);
  const auto counts = table.counts();
  fail_unless_equals_int(counts.free, 1);
  fail_unless_equals_int(counts.writing, 1);
  fail_unless_equals_int(counts.published, 1);
}
GST_END_TEST

template <class Call>
static bool refused(Call &&call) {
  try {
    call();
  } catch (const std::logic_error &) {
    return true;
  }
  return false;
}

GST_START_TEST(refuses_what_a_free_slot_cannot_do) {
  SlotTable table(2);
  fail_unless(refused([&] { table.publish(0); }));
  fail_unless(refused([&] { table.release(0); }));
  fail_unless(refused([&] { table.release(7); }));
  fail_unless(refused([&] { table.take(2); }));
  table.take();
  table.release(0);
  fail_unless(refused([&] { table.release(0); }));
  table.take(0);
  fail_unless(refused([&] { table.take(0); }));
  table.release(0);
  fail_unless_equals_int(table.counts().free, 2);
}
GST_END_TEST

/// Every sequence of six operations on three slots, against a model that is a plain set.
GST_START_TEST(agrees_with_a_model_in_every_short_history) {
  constexpr int kOperations = 7;  // take, publish 0..2, release 0..2
  constexpr int kLength = 6;
  int histories = 1;
  for (int i = 0; i < kLength; ++i) histories *= kOperations;
  for (int history = 0; history < histories; ++history) {
    SlotTable table(3);
    std::set<unsigned> held;
    for (int step = 0, rest = history; step < kLength; ++step, rest /= kOperations) {
      const int operation = rest % kOperations;
      if (operation == 0) {
        const auto slot = table.take();
        fail_unless_equals_int(slot.has_value(), held.size() < 3);
        if (slot) fail_unless(held.insert(*slot).second, "slot %u was given twice", *slot);
        continue;
      }
      const unsigned slot = (operation - 1) % 3;
      const bool publish = operation <= 3;
      const bool no = refused([&] { publish ? table.publish(slot) : table.release(slot); });
      fail_unless_equals_int(no, held.count(slot) == 0);
      if (!publish) held.erase(slot);
    }
    fail_unless_equals_int(table.counts().free, 3 - held.size());
  }
}
GST_END_TEST

static Suite *slot_table_suite() {
  auto *suite = suite_create("slot-table");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, gives_the_slot_that_was_free_for_longest);
  tcase_add_test(tests, gives_nothing_when_all_are_held);
  tcase_add_test(tests, takes_the_free_slot_that_it_is_told);
  tcase_add_test(tests, a_slot_that_is_ready_comes_before_one_that_must_be_waited_for);
  tcase_add_test(tests, counts_each_state);
  tcase_add_test(tests, refuses_what_a_free_slot_cannot_do);
  tcase_add_test(tests, agrees_with_a_model_in_every_short_history);
  return suite;
}

GST_CHECK_MAIN(slot_table)
