// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pool/slot-table.hpp"

#include "pool/slot-choice.hpp"

#include <gst/check/gstcheck.h>

#include <algorithm>
#include <random>
#include <stdexcept>
#include <vector>

using cudacam::choose_slot;
using cudacam::Readiness;
using cudacam::SlotTable;
using State = SlotTable::State;
using Time = SlotTable::Time;

namespace {

constexpr Time kNow = Time::zero();

SlotTable table_of(unsigned slots, Time reuse_delay = Time::zero()) {
  SlotTable table(reuse_delay);
  for (unsigned slot = 0; slot < slots; ++slot) table.add();
  return table;
}

/// The next slot, now writing.
std::optional<unsigned> take(SlotTable &table, Time now) {
  std::vector<unsigned> slots{7};  // of an earlier question
  table.rested(now, slots);
  if (slots.empty()) return std::nullopt;
  table.take(slots.front());
  return slots.front();
}

template <class Call>
bool refused(Call &&call) {
  try {
    call();
  } catch (const std::logic_error &) {
    return true;
  }
  return false;
}

}  // namespace

GST_START_TEST(gives_the_slot_that_was_free_for_longest) {
  auto table = table_of(3);
  const auto first = *take(table, kNow);
  const auto second = *take(table, kNow);
  table.release(second, kNow);
  table.release(first, kNow);
  const auto third = *take(table, kNow);
  fail_unless(third != first && third != second);
  fail_unless(take(table, kNow) == second);
  fail_unless(take(table, kNow) == first);
}
GST_END_TEST

GST_START_TEST(gives_nothing_when_all_are_held) {
  auto table = table_of(2);
  const auto slot = *take(table, kNow);
  take(table, kNow);
  fail_unless(!take(table, kNow));
  table.publish(slot);
  fail_unless(!take(table, kNow));
  table.release(slot, kNow);
  fail_unless(take(table, kNow) == slot);
}
GST_END_TEST

GST_START_TEST(a_released_slot_rests_for_the_reuse_delay) {
  auto table = table_of(2, Time(100));
  const auto first = *take(table, Time(5));  // slots that were never written need no rest
  const auto second = *take(table, Time(5));
  table.release(first, Time(10));
  table.release(second, Time(60));
  fail_unless(!take(table, Time(109)));
  fail_unless(take(table, Time(110)) == first);
  fail_unless(!take(table, Time(110)));
  fail_unless(!take(table, Time(159)));
  fail_unless(take(table, Time(160)) == second);
}
GST_END_TEST

GST_START_TEST(a_new_slot_does_not_wait_behind_resting_ones) {
  auto table = table_of(1, Time(100));
  table.release(*take(table, Time(0)), Time(0));
  fail_unless(!take(table, Time(1)));
  const auto added = table.add();
  fail_unless(take(table, Time(1)) == added);
}
GST_END_TEST

GST_START_TEST(a_retired_slot_is_never_free_again) {
  auto table = table_of(2);
  const auto bad = *take(table, kNow);
  table.retire(bad);
  fail_unless(refused([&] { table.publish(bad); }));
  table.release(bad, kNow);
  for (int i = 0; i < 10; ++i) {
    const auto slot = take(table, kNow);
    fail_unless(slot && *slot != bad);
    fail_unless(!take(table, kNow));
    table.release(*slot, kNow);
  }
  fail_unless_equals_int(table.counts().retired, 1);
  fail_unless_equals_int(table.counts().usable(), 1);
}
GST_END_TEST

GST_START_TEST(retired_slots_are_replaced_once_each_then_there_are_fewer) {
  auto table = table_of(3);
  const auto lose_one = [&] {
    const auto slot = *take(table, kNow);
    table.retire(slot);
    table.release(slot, kNow);
  };
  for (int i = 0; i < 3; ++i) {
    lose_one();
    fail_unless_equals_int(table.missing(3), 1);
    table.add();
    fail_unless_equals_int(table.missing(3), 0);
  }
  for (unsigned left = 2; left + 1 > 0; --left) {
    lose_one();
    fail_unless_equals_int(table.missing(3), 0);
    fail_unless_equals_int(table.attainable(3), left);
    fail_unless_equals_int(table.counts().usable(), left);
  }
}
GST_END_TEST

GST_START_TEST(a_free_slot_can_be_given_up_and_its_place_used_again) {
  auto table = table_of(3);
  const auto read = *take(table, kNow);
  const auto free = table.free();
  fail_unless_equals_int(free.size(), 2);
  for (const auto slot : free) table.give_up(slot);
  fail_unless(refused([&] { table.give_up(free[0]); }));
  fail_unless(refused([&] { table.give_up(read); }));
  fail_unless(!take(table, kNow));
  fail_unless_equals_int(table.missing(3), 2);
  table.add();
  table.add();
  fail_unless_equals_int(table.size(), 3);
  fail_unless_equals_int(table.missing(3), 0);
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
  auto table = table_of(4);
  take(table, kNow);
  table.publish(*take(table, kNow));
  table.retire(*take(table, kNow));
  const auto counts = table.counts();
  fail_unless_equals_int(counts.free, 1);
  fail_unless_equals_int(counts.writing, 1);
  fail_unless_equals_int(counts.published, 1);
  fail_unless_equals_int(counts.retired, 1);
  fail_unless_equals_int(counts.usable(), 3);
}
GST_END_TEST

GST_START_TEST(refuses_what_a_slot_that_is_not_out_cannot_do) {
  auto table = table_of(2);
  fail_unless(refused([&] { table.publish(0); }));
  fail_unless(refused([&] { table.retire(0); }));
  fail_unless(refused([&] { table.take(7); }));
  fail_unless(refused([&] { table.release(0, kNow); }));
  fail_unless(refused([&] { table.release(7, kNow); }));
  const auto slot = *take(table, kNow);
  table.retire(slot);
  table.release(slot, kNow);
  fail_unless(refused([&] { table.release(slot, kNow); }));
  fail_unless_equals_int(table.counts().free, 1);
}
GST_END_TEST

namespace {

constexpr long long kNeverWritten = 1000000;  // before all that were

/// What the table is meant to be, said in another way: each slot by itself, the oldest searched
/// for.
class Model {
 public:
  explicit Model(Time delay) : delay_(delay) {}

  struct Slot {
    State state = State::kEmpty;
    bool out = false;
    long long order = 0;  // rises with each release; never written: below all
    Time since = Time::min();
  };

  /// Whether slot `index` may be taken now.
  bool is_next(unsigned index, Time now) const {
    const auto &slot = slots[index];
    if (slot.state != State::kFree || !rested(slot, now)) return false;
    for (const auto &other : slots)
      if (other.state == State::kFree && other.order < slot.order) return false;
    return true;
  }
  bool any(Time now) const {
    return std::any_of(slots.begin(), slots.end(), [&](const Slot &slot) {
      return slot.state == State::kFree && rested(slot, now);
    });
  }

  std::vector<Slot> slots;

 private:
  bool rested(const Slot &slot, Time now) const {
    return slot.since == Time::min() || now >= slot.since + delay_;
  }
  const Time delay_;
};

/// Cheaper than fail_unless(), which writes to a pipe: there are millions of these.
#define expect(condition)                     \
  do {                                        \
    if (!(condition)) fail("%s", #condition); \
  } while (false)

/// One step of `operation` on `slot`, on both, with the same answer.
void step(SlotTable &table, Model &model, unsigned operation, unsigned slot, Time now,
          long long order) {
  const auto known = slot < model.slots.size();
  const auto is_out = known && model.slots[slot].out;
  switch (operation) {
    case 0: {
      const auto added = table.add();
      if (added >= model.slots.size()) model.slots.resize(added + 1);
      expect(model.slots[added].state == State::kEmpty);
      model.slots[added] = {State::kFree, false, order - kNeverWritten, Time::min()};
      break;
    }
    case 1: {
      const bool any = model.any(now);
      const auto taken = take(table, now);
      expect(taken.has_value() == any);
      if (!taken) break;
      expect(model.is_next(*taken, now));
      model.slots[*taken].state = State::kWriting;
      model.slots[*taken].out = true;
      break;
    }
    case 2: {
      const bool no = refused([&] { table.publish(slot); });
      const bool may = is_out && model.slots[slot].state != State::kRetired;
      expect(no == !may);
      if (may) model.slots[slot].state = State::kPublished;
      break;
    }
    case 3:
      expect(refused([&] { table.retire(slot); }) == !is_out);
      if (is_out) model.slots[slot].state = State::kRetired;
      break;
    case 4: {
      expect(refused([&] { table.release(slot, now); }) == !is_out);
      if (!is_out) break;
      auto &place = model.slots[slot];
      place.out = false;
      if (place.state != State::kRetired) place = {State::kFree, false, order, now};
      break;
    }
    default: {
      const bool is_free = known && model.slots[slot].state == State::kFree;
      expect(refused([&] { table.give_up(slot); }) == !is_free);
      if (is_free) model.slots[slot] = {};
    }
  }
  SlotTable::Counts counts;
  for (unsigned i = 0; i < model.slots.size(); ++i) {
    expect(table.state(i) == model.slots[i].state);
    switch (model.slots[i].state) {
      case State::kEmpty:
        break;
      case State::kFree:
        ++counts.free;
        break;
      case State::kWriting:
        ++counts.writing;
        break;
      case State::kPublished:
        ++counts.published;
        break;
      case State::kRetired:
        ++counts.retired;
        break;
    }
  }
  const auto seen = table.counts();
  expect(seen.free == counts.free && seen.writing == counts.writing &&
         seen.published == counts.published && seen.retired == counts.retired);
}

constexpr unsigned kOperations = 6;

}  // namespace

/// Every sequence of five operations on two slots and what is added.
GST_START_TEST(agrees_with_the_model_in_every_short_history) {
  constexpr int kKinds = 10;  // publish, retire and release name one of two slots
  constexpr int kLength = 5;
  constexpr std::pair<unsigned, unsigned> kKind[kKinds] = {{0, 0}, {1, 0}, {2, 0}, {2, 1}, {3, 0},
                                                           {3, 1}, {4, 0}, {4, 1}, {5, 0}, {5, 1}};
  int histories = 1;
  for (int i = 0; i < kLength; ++i) histories *= kKinds;
  for (int history = 0; history < histories; ++history) {
    SlotTable table(Time(2));
    Model model(Time(2));
    for (int i = 0; i < 2; ++i) step(table, model, 0, 0, Time(0), i + 1);
    for (int i = 0, rest = history; i < kLength; ++i, rest /= kKinds) {
      const auto [operation, slot] = kKind[rest % kKinds];
      step(table, model, operation, slot, Time(i), i + 10);
    }
  }
}
GST_END_TEST

GST_START_TEST(agrees_with_the_model_in_long_random_histories) {
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    const Time delay(seed % 3 * 7);
    SlotTable table(delay);
    Model model(delay);
    Time now{0};
    // Mostly what a camera and its readers do; a size change and an error now and then.
    std::discrete_distribution<unsigned> operations({3, 30, 25, 1, 30, 1});
    static_assert(kOperations == 6);
    for (long long i = 0; i < 2000; ++i) {
      now += Time(random() % 4);
      auto operation = operations(random);
      if (operation == 0 && model.slots.size() >= 12) operation = 1;
      step(table, model, operation, static_cast<unsigned>(random() % 12), now, i + 1);
    }
  }
}
GST_END_TEST

static Suite *slot_table_suite() {
  auto *suite = suite_create("slot-table");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, gives_the_slot_that_was_free_for_longest);
  tcase_add_test(tests, gives_nothing_when_all_are_held);
  tcase_add_test(tests, a_released_slot_rests_for_the_reuse_delay);
  tcase_add_test(tests, a_new_slot_does_not_wait_behind_resting_ones);
  tcase_add_test(tests, a_retired_slot_is_never_free_again);
  tcase_add_test(tests, retired_slots_are_replaced_once_each_then_there_are_fewer);
  tcase_add_test(tests, a_free_slot_can_be_given_up_and_its_place_used_again);
  tcase_add_test(tests, a_slot_that_is_ready_comes_before_one_that_must_be_waited_for);
  tcase_add_test(tests, counts_each_state);
  tcase_add_test(tests, refuses_what_a_slot_that_is_not_out_cannot_do);
  tcase_add_test(tests, agrees_with_the_model_in_every_short_history);
  tcase_add_test(tests, agrees_with_the_model_in_long_random_histories);
  return suite;
}

GST_CHECK_MAIN(slot_table)
