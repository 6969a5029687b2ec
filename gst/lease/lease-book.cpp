// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/lease-book.hpp"

#include <algorithm>
#include <utility>

namespace cudacam {

bool LeaseBook::publish(FrameRef frame, Discarded &discarded) {
  if (stopped_ || drains_) {
    ++counts_.refused;
    discarded.push_back(std::move(frame));
    return false;
  }
  if (newest_ && !newest_wanted_) ++counts_.replaced;
  newest_wanted_ = false;
  for (auto &[name, holder] : holders_) {
    if (!holder.row.queue) continue;
    newest_wanted_ = true;
    holder.frames.push_back(frame);
    if (holder.frames.size() <= holder.row.queue) continue;
    discarded.push_back(std::move(holder.frames.front()));
    holder.frames.pop_front();
    ++holder.row.dropped;
  }
  discarded.push_back(std::exchange(newest_, std::move(frame)));
  ++newest_number_;
  ++counts_.published;
  return true;
}

LeaseBook::Taken LeaseBook::take(const std::string &name, Clock::time_point now) {
  auto &holder = holder_named(name);
  auto &row = holder.row;
  if (stopped_) return {Answer::kStopped, 0, nullptr};
  if (drains_) return {row.leases ? Answer::kDrainHeld : Answer::kDrain, 0, nullptr};
  if (max_leases_ && row.leases >= max_leases_) return {Answer::kLimit, 0, nullptr};
  FrameRef frame;
  if (row.queue) {
    if (holder.frames.empty()) return {Answer::kNothingNew, 0, nullptr};
    frame = std::move(holder.frames.front());
    holder.frames.pop_front();
  } else {
    if (!newest_ || newest_number_ <= holder.seen) return {Answer::kNothingNew, 0, nullptr};
    frame = newest_;
    newest_wanted_ = true;
  }
  holder.seen = newest_number_;
  const auto id = next_id_++;
  enter(id, {&holder, now, frame});
  ++row.leases;
  ++row.taken;
  ++counts_.lent;
  return {Answer::kLent, id, std::move(frame)};
}

void LeaseBook::enter(std::uint64_t id, Entry entry) {
  if (spare_.empty()) {
    entries_.emplace_hint(entries_.end(), id, std::move(entry));
    return;
  }
  auto node = std::move(spare_.back());
  spare_.pop_back();
  node.key() = id;
  node.mapped() = std::move(entry);
  entries_.insert(entries_.end(), std::move(node));
}

bool LeaseBook::release(std::uint64_t id, Clock::time_point now) {
  const auto entry = entries_.find(id);
  if (entry == entries_.end()) {
    const auto lost = lost_.find(id);
    if (lost == lost_.end()) return false;
    --lost->second.holder->lost;
    lost_.erase(lost);
    return true;
  }
  auto &row = entry->second.holder->row;
  row.held.add(std::chrono::duration_cast<HoldTimes::Duration>(now - entry->second.since));
  --row.leases;
  ++row.released;
  ++counts_.released;
  entry->second.frame.reset();
  spare_.push_back(entries_.extract(entry));
  return true;
}

unsigned LeaseBook::revoke(const std::optional<std::string> &holder) {
  unsigned revoked = 0;
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    auto &row = entry->second.holder->row;
    if (holder && row.holder != *holder) {
      ++entry;
      continue;
    }
    lost_.insert(*entry);
    ++entry->second.holder->lost;
    --row.leases;
    ++row.revoked;
    ++counts_.revoked;
    ++revoked;
    entry = entries_.erase(entry);
  }
  return revoked;
}

void LeaseBook::begin_drain(Discarded &discarded) {
  ++drains_;
  forget_frames(discarded);
}

void LeaseBook::stop(Discarded &discarded) {
  stopped_ = true;
  forget_frames(discarded);
}

void LeaseBook::forget_frames(Discarded &discarded) {
  if (newest_ && !newest_wanted_) ++counts_.replaced;
  if (newest_) discarded.push_back(std::exchange(newest_, nullptr));
  for (auto &[name, holder] : holders_) {
    holder.row.dropped += holder.frames.size();
    std::move(holder.frames.begin(), holder.frames.end(), std::back_inserter(discarded));
    holder.frames.clear();
  }
}

void LeaseBook::set_queue(const std::string &name, std::optional<std::size_t> queue,
                          Discarded &discarded) {
  auto &holder = holder_named(name);
  holder.kept = queue.has_value();
  holder.row.queue = queue.value_or(0);
  while (holder.frames.size() > holder.row.queue) {
    discarded.push_back(std::move(holder.frames.front()));
    holder.frames.pop_front();
    ++holder.row.dropped;
  }
}

std::vector<LeaseBook::Overdue> LeaseBook::overdue(Clock::time_point now, Clock::duration timeout) {
  std::vector<Overdue> result;
  for (auto &[id, entry] : entries_) {
    if (entry.told_overdue || now - entry.since < timeout) continue;
    entry.told_overdue = true;
    ++entry.holder->row.overdue;
    result.push_back({entry.holder->row.holder, now - entry.since});
  }
  return result;
}

std::optional<LeaseBook::Clock::time_point> LeaseBook::next_overdue(Clock::duration timeout) const {
  for (const auto &[id, entry] : entries_)
    if (!entry.told_overdue) return entry.since + timeout;
  return std::nullopt;
}

LeaseBook::Holder &LeaseBook::holder_named(const std::string &name) {
  auto place = holders_.find(name);
  if (place == holders_.end()) {
    if (holders_.size() >= kMostHolders) forget_idle_holder();
    place = holders_.try_emplace(name).first;
    place->second.row.holder = name;
  }
  place->second.used = ++step_;
  return place->second;
}

/// None when all are busy: then leases and queues, and so slots, bound their number.
void LeaseBook::forget_idle_holder() {
  auto idlest = holders_.end();
  for (auto place = holders_.begin(); place != holders_.end(); ++place) {
    const auto &holder = place->second;
    if (holder.row.leases || holder.kept || holder.lost) continue;
    if (idlest == holders_.end() || holder.used < idlest->second.used) idlest = place;
  }
  if (idlest == holders_.end()) return;
  holders_.erase(idlest);
  ++counts_.forgotten;
}

std::vector<LeaseBook::Outstanding> LeaseBook::outstanding(Clock::time_point now) const {
  std::vector<Outstanding> result;
  for (const auto &[id, entry] : entries_) {
    const auto &name = entry.holder->row.holder;
    const auto known = std::any_of(result.begin(), result.end(),
                                   [&](const auto &row) { return row.holder == name; });
    if (!known) result.push_back({name, entry.holder->row.leases, now - entry.since});
  }
  return result;
}

std::vector<LeaseBook::Row> LeaseBook::rows() const {
  std::vector<Row> result;
  for (const auto &[name, holder] : holders_) result.push_back(holder.row);
  return result;
}

std::vector<LeaseBook::Held> LeaseBook::held() const {
  std::vector<Held> result;
  const auto add = [&](const auto &leases, bool revoked) {
    for (const auto &[id, entry] : leases)
      if (auto frame = entry.frame.lock())
        result.push_back({entry.holder->row.holder, std::move(frame), revoked});
  };
  add(entries_, false);
  add(lost_, true);
  return result;
}

LeaseBook::Counts LeaseBook::counts() const {
  auto counts = counts_;
  counts.outstanding = static_cast<unsigned>(entries_.size());
  counts.lost = static_cast<unsigned>(lost_.size());
  return counts;
}

}  // namespace cudacam
