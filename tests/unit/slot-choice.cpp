// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pool/slot-choice.hpp"

#include <gst/check/gstcheck.h>

#include <optional>
#include <vector>

using cudacam::choose_slot;
using cudacam::Readiness;

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

static Suite *slot_choice_suite() {
  auto *suite = suite_create("slot-choice");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, a_slot_that_is_ready_comes_before_one_that_must_be_waited_for);
  return suite;
}

GST_CHECK_MAIN(slot_choice)
