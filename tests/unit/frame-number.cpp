// SPDX-License-Identifier: LGPL-2.1-or-later
#include "frame-number.hpp"

#include <gst/check/gstcheck.h>

#include <algorithm>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "frame-checker.hpp"
#include "live-feed.hpp"

namespace {

using cudacam::test::draw_frame_number;
using cudacam::test::FrameChecker;
using cudacam::test::FrameReading;
using cudacam::test::FrameVerdict;
using cudacam::test::LiveFeed;
using cudacam::test::read_frame_number;

struct Picture {
  int width, height, stride;
  std::vector<uint8_t> data;

  Picture(int w, int h, int padding = 0)
      : width(w), height(h), stride(w + padding), data(static_cast<size_t>(stride) * h, 90) {}

  bool draw(uint32_t number) {
    return draw_frame_number({data.data(), stride, width, height}, number);
  }
  FrameReading read() const { return read_frame_number({data.data(), stride, width, height}); }
  void fill(int from_y, int to_y, uint8_t value) {
    std::memset(&data[static_cast<size_t>(from_y) * stride], value,
                static_cast<size_t>(to_y - from_y) * stride);
  }
};

constexpr uint32_t kNumbers[] = {0, 1, 0x80000000, 0xffffffff, 0x12345678, 0xaaaaaaaa};

}  // namespace

GST_START_TEST(test_reads_back_what_was_drawn) {
  const int sizes[][2] = {{256, 96},   {320, 240},   {640, 360},   {854, 480},
                          {1280, 720}, {1920, 1080}, {3840, 2160}, {322, 242}};
  for (const auto &size : sizes) {
    for (uint32_t number : kNumbers) {
      Picture picture(size[0], size[1], 48);
      fail_unless(picture.draw(number));
      fail_unless(picture.read().number() == number, "%dx%d %u", size[0], size[1], number);
    }
  }
}
GST_END_TEST

GST_START_TEST(test_draws_inside_the_picture) {
  Picture picture(320, 240, 16);
  fail_unless(picture.draw(0xffffffff));
  for (int y = 0; y < picture.height; ++y)
    for (int x = picture.width; x < picture.stride; ++x)
      fail_unless_equals_int(picture.data[static_cast<size_t>(y) * picture.stride + x], 90);
}
GST_END_TEST

GST_START_TEST(test_refuses_a_picture_that_is_too_small) {
  Picture narrow(240, 240);
  Picture low(320, 80);
  fail_if(narrow.draw(1));
  fail_if(low.draw(1));
  fail_if(narrow.read().top);
}
GST_END_TEST

GST_START_TEST(test_survives_noise_and_shifted_levels) {
  Picture picture(640, 360);
  fail_unless(picture.draw(0x12345678));
  uint32_t random = 1;
  for (uint8_t &value : picture.data) {
    random = random * 1664525 + 1013904223;
    value = static_cast<uint8_t>(value * 7 / 10 + 30 + (random >> 27));
  }
  fail_unless(picture.read().number() == 0x12345678u);
}
GST_END_TEST

GST_START_TEST(test_plain_pictures_carry_no_number) {
  for (int level : {0, 16, 90, 128, 235, 255}) {
    Picture picture(640, 360);
    picture.fill(0, picture.height, static_cast<uint8_t>(level));
    fail_if(picture.read().top, "level %d", level);
    fail_if(picture.read().bottom, "level %d", level);
  }
}
GST_END_TEST

GST_START_TEST(test_tells_top_from_bottom) {
  Picture older(640, 360), newer(640, 360);
  older.draw(7);
  newer.draw(8);
  Picture torn = older;
  std::copy_n(newer.data.begin(), newer.data.size() / 2, torn.data.begin());
  fail_unless(torn.read().top == 8u && torn.read().bottom == 7u);
  fail_if(torn.read().number());

  torn.fill(0, 100, 128);
  fail_if(torn.read().top);
  fail_unless(torn.read().bottom == 7u);
}
GST_END_TEST

GST_START_TEST(test_any_flipped_block_is_noticed) {
  for (int block = 0; block < 48; ++block) {
    Picture picture(256, 240);
    picture.draw(0x12345678);
    const int x = block % 16 * 16, y = block / 16 * 16;
    for (int i = 0; i < 16; ++i)
      for (int j = 0; j < 16; ++j) {
        uint8_t &value = picture.data[static_cast<size_t>(y + i) * picture.stride + x + j];
        value = static_cast<uint8_t>(255 - value);
      }
    fail_if(picture.read().top, "block %d", block);
    fail_unless(picture.read().bottom == 0x12345678u);
  }
}
GST_END_TEST

GST_START_TEST(test_checker_tells_bad_frames_by_kind) {
  FrameChecker checker;
  const auto check = [&](std::optional<uint32_t> top, std::optional<uint32_t> bottom) {
    return checker.check({top, bottom});
  };
  fail_unless(check(10, 10) == FrameVerdict::kGood);
  fail_unless(check(15, 15) == FrameVerdict::kGood);  // gaps are the reader's right
  fail_unless(check(15, 15) == FrameVerdict::kRepeated);
  fail_unless(check(14, 14) == FrameVerdict::kStale);
  fail_unless(check(17, 16) == FrameVerdict::kTorn);
  fail_unless(check(std::nullopt, 18) == FrameVerdict::kDamaged);
  fail_unless(check(16, 16) == FrameVerdict::kGood);
  fail_unless_equals_uint64(checker.good(), 3);
  fail_unless_equals_uint64(checker.bad(), 4);
  fail_unless_equals_uint64(checker.checked(), 7);
  fail_unless(checker.last() == 16u);
  fail_unless_equals_string(checker.explanations().at(0).c_str(),
                            "frame 3 of this reader is repeated: top 15, bottom 15, last good 15");
  for (int i = 0; i < 100; ++i) check(1, 1);
  fail_unless_equals_int(checker.explanations().size(), 5);
}
GST_END_TEST

GST_START_TEST(test_checker_counts_past_the_end_of_32_bits) {
  FrameChecker checker;
  fail_unless(checker.check({0xffffffffu, 0xffffffffu}) == FrameVerdict::kGood);
  fail_unless(checker.check({0u, 0u}) == FrameVerdict::kGood);
  fail_unless(checker.check({0xfffffff0u, 0xfffffff0u}) == FrameVerdict::kStale);
}
GST_END_TEST

GST_START_TEST(test_feed_follows_the_clock_and_never_goes_back) {
  LiveFeed feed(25);
  fail_if(feed.highest());
  feed.begin(4000);
  fail_unless(feed.next(false) == 100u);
  fail_unless(feed.next(false) == 101u);
  feed.begin(3000);  // the wall clock was set back
  fail_unless(feed.next(false) == 102u);
  feed.begin(8000);
  fail_unless(feed.next(false) == 200u);
  fail_unless(feed.highest() == 200u);
  fail_unless_equals_uint64(feed.frames_sent(), 4);
}
GST_END_TEST

GST_START_TEST(test_feed_spends_numbers_on_frames_it_drops) {
  LiveFeed feed(25);
  feed.begin(0);
  fail_unless(feed.next(false) == 0u);
  fail_if(feed.next(true));
  feed.set_frozen(true);
  fail_if(feed.next(false));
  fail_unless(feed.highest() == 0u);
  feed.set_frozen(false);
  fail_unless(feed.next(false) == 3u);
  fail_unless_equals_uint64(feed.frames_sent(), 2);
}
GST_END_TEST

static Suite *frame_number_suite() {
  Suite *suite = suite_create("frame-number");
  TCase *numbers = tcase_create("numbers");
  tcase_add_test(numbers, test_reads_back_what_was_drawn);
  tcase_add_test(numbers, test_draws_inside_the_picture);
  tcase_add_test(numbers, test_refuses_a_picture_that_is_too_small);
  tcase_add_test(numbers, test_survives_noise_and_shifted_levels);
  tcase_add_test(numbers, test_plain_pictures_carry_no_number);
  tcase_add_test(numbers, test_tells_top_from_bottom);
  tcase_add_test(numbers, test_any_flipped_block_is_noticed);
  suite_add_tcase(suite, numbers);
  TCase *checker = tcase_create("checker");
  tcase_add_test(checker, test_checker_tells_bad_frames_by_kind);
  tcase_add_test(checker, test_checker_counts_past_the_end_of_32_bits);
  suite_add_tcase(suite, checker);
  TCase *feed = tcase_create("feed");
  tcase_add_test(feed, test_feed_follows_the_clock_and_never_goes_back);
  tcase_add_test(feed, test_feed_spends_numbers_on_frames_it_drops);
  suite_add_tcase(suite, feed);
  return suite;
}

GST_CHECK_MAIN(frame_number)
