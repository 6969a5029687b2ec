// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/timestamps.hpp"

#include <algorithm>

namespace nvsim::decode {

namespace {
constexpr std::int64_t kGuessedRate = 30;
constexpr std::size_t kLongestQueue = 64;
}  // namespace

void Timestamps::end_of_stream() {
  stamps_.clear();
  waiting_.clear();
  frame_duration_ = 0;
  expected_ = 0;
  nothing_shown_ = true;
}

void Timestamps::set_frame_rate(std::uint32_t numerator, std::uint32_t denominator) {
  if (numerator > 0 && denominator > 0) {
    frame_duration_ = clock_rate_ * denominator / numerator;
  } else if (frame_duration_ <= 0) {
    frame_duration_ = clock_rate_ / kGuessedRate;
  }
}

void Timestamps::packet(std::uint64_t position, bool has_pts, std::int64_t pts, bool after_gap) {
  if (!has_pts) return;
  stamps_.push_back({position, pts, after_gap});
  if (stamps_.size() > kLongestQueue) stamps_.pop_front();
}

void Timestamps::picture_begins(Picture &picture, std::uint64_t position) {
  picture.pts = expected_;
  while (!stamps_.empty() && stamps_.front().position <= position) {
    picture.has_pts = true;
    picture.pts = stamps_.front().pts;
    picture.after_gap = stamps_.front().after_gap;
    stamps_.pop_front();
  }
}

void Timestamps::picture_leaves(const PicturePtr &picture) {
  if (!picture->has_pts) {
    picture->pts = guess(*picture);
  } else if (in_decode_order_ || (unchecked_ > 0 && !picture->after_gap)) {
    sort(*picture);
  }
  waiting_.remove_if([&picture](const std::weak_ptr<Picture> &other) {
    const PicturePtr alive = other.lock();
    return alive == nullptr || alive == picture;
  });
  expected_ = picture->pts + frame_duration_ * picture->fields / 2;
  nothing_shown_ = false;
}

// The first picture may be shown before any picture that came with a stamp.
std::int64_t Timestamps::guess(const Picture &picture) const {
  if (!nothing_shown_) return expected_;
  for (const std::weak_ptr<Picture> &waiting : waiting_) {
    const PicturePtr other = waiting.lock();
    if (other == nullptr || !other->has_pts) continue;
    const int later = std::max(other->poc - picture.poc, static_cast<int>(picture.fields));
    return other->pts - later * frame_duration_ / 2;
  }
  return expected_;
}

void Timestamps::sort(Picture &picture) {
  Picture *earliest = &picture;
  for (const std::weak_ptr<Picture> &waiting : waiting_) {
    const PicturePtr other = waiting.lock();
    if (other != nullptr && other->has_pts && other->pts < earliest->pts) earliest = other.get();
  }
  if (earliest != &picture) {
    if (unchecked_ > 0) in_decode_order_ = true;
    std::swap(earliest->pts, picture.pts);
  }
  if (unchecked_ > 0) unchecked_--;
}

}  // namespace nvsim::decode
