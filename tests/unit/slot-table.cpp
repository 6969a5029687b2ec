// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pool/slot-table.hpp"

#include <gst/check/gstcheck.h>

#include <set>
#include <stdexcept>
#include <vector>

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
  table.take();
  table.release(0);
  fail_unless(refused([&] { table.release(0); }));
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
  tcase_add_test(tests, counts_each_state);
  tcase_add_test(tests, refuses_what_a_free_slot_cannot_do);
  tcase_add_test(tests, agrees_with_a_model_in_every_short_history);
  return suite;
}

GST_CHECK_MAIN(slot_table)
