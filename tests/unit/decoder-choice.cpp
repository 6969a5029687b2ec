// SPDX-License-Identifier: LGPL-2.1-or-later
#include <map>

#include "decode/decoder-choice.hpp"

#include <gst/check/gstcheck.h>

using cudacam::choose_decoder;
using cudacam::Codec;
using cudacam::DecoderFact;
using cudacam::DecoderRecord;
using cudacam::find_codec;

namespace {

using Facts = std::map<std::string, DecoderFact>;

cudacam::DecoderChoice choose(const Codec &codec, const std::string &wish, const Facts &facts) {
  return choose_decoder(codec, wish, [&](const std::string &name) {
    const auto it = facts.find(name);
    return it == facts.end() ? DecoderFact::absent : it->second;
  });
}

}  // namespace

/// Every subset of what may be installed: the first one of the list that is there.
GST_START_TEST(takes_the_best_that_is_there) {
  for (const char *name : {"H264", "H265", "JPEG"}) {
    const auto &codec = *find_codec(name);
    for (unsigned there = 0; there < 8; there++) {
      Facts facts;
      std::string best;
      for (unsigned i = 0; i < 3; i++) {
        if (!(there & (1 << i))) continue;
        facts[codec.decoders[i]] = DecoderFact::fit;
        if (best.empty()) best = codec.decoders[i];
      }
      const auto choice = choose(codec, "", facts);
      fail_unless_equals_string(choice.element.c_str(), best.c_str());
      fail_unless(choice.problem.empty() == !best.empty());
      if (best.empty()) fail_unless(choice.problem.find("install") != std::string::npos);
    }
  }
}
GST_END_TEST

GST_START_TEST(a_wish_is_taken_or_refused_but_never_replaced) {
  const auto &codec = *find_codec("H264");
  const Facts facts{{"nvh264dec", DecoderFact::fit},
                    {"openh264dec", DecoderFact::fit},
                    {"videoconvert", DecoderFact::unfit}};
  auto choice = choose(codec, "openh264dec", facts);
  fail_unless_equals_string(choice.element.c_str(), "openh264dec");
  choice = choose(codec, "videoconvert", facts);
  fail_unless(choice.element.empty());
  fail_unless(choice.problem.find("videoconvert does not decode H.264") != std::string::npos);
  choice = choose(codec, "nosuchdec", facts);
  fail_unless(choice.element.empty());
  fail_unless(choice.problem.find("nosuchdec is not installed") != std::string::npos);
}
GST_END_TEST

/// Every subset of what is there and fails: the first that does not, else the first.
GST_START_TEST(one_that_fails_is_passed_over_while_another_is_there) {
  const auto &codec = *find_codec("H264");
  for (unsigned failing = 0; failing < 8; failing++) {
    Facts facts;
    std::string best;
    for (unsigned i = 0; i < 3; i++) {
      const bool fails = failing & (1 << i);
      facts[codec.decoders[i]] = fails ? DecoderFact::failing : DecoderFact::fit;
      if (!fails && best.empty()) best = codec.decoders[i];
    }
    if (best.empty()) best = codec.decoders[0];
    const auto choice = choose(codec, "", facts);
    fail_unless_equals_string(choice.element.c_str(), best.c_str());
    const auto named = choose(codec, "nvh264dec", facts);
    fail_unless_equals_string(named.element.c_str(), "nvh264dec");
  }
}
GST_END_TEST

GST_START_TEST(the_same_kind_gets_one_more_chance) {
  DecoderRecord record;
  fail_unless(!record.is_failing("a"));
  record.failed("a", 0);
  fail_unless(!record.is_failing("a"));
  record.failed("b", 0);
  record.failed("a", DecoderRecord::kHealthyFrames - 1);
  fail_unless(record.is_failing("a"));
  fail_unless(!record.is_failing("b"));
  record.failed("b", DecoderRecord::kHealthyFrames);  // once in a while is not again and again
  fail_unless(!record.is_failing("b"));
  record.failed("b", 0);
  fail_unless(record.is_failing("b"));
}
GST_END_TEST

GST_START_TEST(knows_codecs_in_any_case) {
  fail_unless_equals_string(find_codec("h264")->depay, "rtph264depay");
  fail_unless_equals_string(find_codec("H265")->parse, "h265parse");
  fail_unless_equals_string(find_codec("jpeg")->depay, "rtpjpegdepay");
  for (const char *name : {"", "H26", "H2644", "VP8", "JPEG2000", "H266"})
    fail_unless(!find_codec(name));
}
GST_END_TEST

static Suite *decoder_choice_suite() {
  auto *suite = suite_create("decoder-choice");
  auto *tests = tcase_create("general");
  suite_add_tcase(suite, tests);
  tcase_add_test(tests, takes_the_best_that_is_there);
  tcase_add_test(tests, a_wish_is_taken_or_refused_but_never_replaced);
  tcase_add_test(tests, one_that_fails_is_passed_over_while_another_is_there);
  tcase_add_test(tests, the_same_kind_gets_one_more_chance);
  tcase_add_test(tests, knows_codecs_in_any_case);
  return suite;
}
GST_CHECK_MAIN(decoder_choice)
