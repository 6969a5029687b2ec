// SPDX-License-Identifier: LGPL-2.1-or-later
#include "display.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>

namespace cudacam::demo {
namespace {

constexpr double kPlainInterval = 5;

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", seconds);
  return text;
}

// A line that wraps could not be replaced afterwards.
size_t terminal_width() {
  winsize size{};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string age_text(double age) {
  return age < 0 ? "none" : seconds_text(age) + " s";
}

std::string recoveries_text(const RecordSummary &summary) {
  std::string text;
  for (const double recovery : summary.recoveries)
    text += (text.empty() ? "" : "  ") + seconds_text(recovery);
  if (summary.recovered()) return text.empty() ? "-" : text;
  return text + (text.empty() ? "" : "  ") + "never";
}

std::string live_text(double seconds, const LiveLine &line) {
  char text[256];
  std::snprintf(text, sizeof text,
                "%6.1f s  %-10s %-19s %5.1f fps  %6" PRIu64 " frames  %3" PRIu64
                " retries  %u leases  newest %s",
                seconds, line.camera.c_str(), line.pipeline.status.c_str(), line.fps,
                line.pipeline.frames, line.pipeline.retries, line.pipeline.outstanding,
                age_text(line.newest_age).c_str());
  return text;
}

}  // namespace

Display::Display() : terminal_(isatty(STDOUT_FILENO)) {
}

void Display::erase() {
  for (; drawn_ > 0; --drawn_) std::printf("\x1b[A\x1b[2K");
}

void Display::draw(double seconds) {
  const size_t width = terminal_ ? terminal_width() : std::string::npos;
  for (const LiveLine &line : lines_) {
    std::printf("%s\n", live_text(seconds, line).substr(0, width).c_str());
    ++drawn_;
  }
}

void Display::update(double seconds, const std::vector<LiveLine> &lines) {
  lines_ = lines;
  if (terminal_) {
    erase();
  } else {
    if (seconds < next_plain_) return;
    next_plain_ = seconds + kPlainInterval;
  }
  draw(seconds);
  std::fflush(stdout);
}

void Display::announce(double seconds, const std::string &text) {
  if (terminal_) erase();
  std::printf("%6.1f s  %s\n", seconds, text.c_str());
  if (terminal_) draw(seconds);
  std::fflush(stdout);
}

void Display::say(const std::string &text) {
  std::printf("%s\n", text.c_str());
  drawn_ = 0;
  std::fflush(stdout);
}

void Display::table(const std::vector<TableRow> &rows) {
  std::printf("\n%-10s %7s  %-30s %11s %15s %10s\n", "Camera", "Outages",
              "Back to first new frame (s)", "Longest gap", "Frames verified", "Bad frames");
  for (const TableRow &row : rows)
    std::printf("%-10s %7" PRIu64 "  %-30s %9.2f s %15" PRIu64 " %10" PRIu64 "\n",
                row.camera.c_str(), row.outages, recoveries_text(row.summary).c_str(),
                row.summary.longest_gap, row.summary.verified, row.summary.bad);
  std::printf("\n");
  for (const TableRow &row : rows)
    for (const std::string &explanation : row.summary.explanations)
      std::printf("%s: %s\n", row.camera.c_str(), explanation.c_str());
  drawn_ = 0;
  std::fflush(stdout);
}

}  // namespace cudacam::demo
