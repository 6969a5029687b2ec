// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the demo prints: a live line per camera, announcements between them, a table at the end.
#pragma once

#include <string>
#include <vector>

#include "camera-pipeline.hpp"
#include "camera-record.hpp"

namespace cudacam::demo {

struct LiveLine {
  std::string camera;
  PipelineStatus pipeline;
  double fps = 0;
  double newest_age = -1;  ///< seconds; negative: there is no frame yet
};

struct TableRow {
  std::string camera;
  std::uint64_t outages = 0;
  RecordSummary summary;
};

/// One thread.
class Display {
 public:
  Display();

  /// On a terminal the lines are replaced each time; elsewhere they are printed every few seconds.
  void update(double seconds, const std::vector<LiveLine> &lines);
  void announce(double seconds, const std::string &text);
  void table(const std::vector<TableRow> &rows);
  void say(const std::string &text);

 private:
  void erase();
  void draw(double seconds);

  const bool terminal_;
  std::vector<LiveLine> lines_;
  unsigned drawn_ = 0;     // lines on the terminal that the next update replaces
  double next_plain_ = 0;  // when to print again without a terminal
};

}  // namespace cudacam::demo
