// SPDX-License-Identifier: LGPL-2.1-or-later
//
// decode-trace: what a libnvcuvid.so.1 does with a stream, as text.
//
//   decode-trace [SETTING=VALUE...] OPERATION...
//
// Drives the video parser and the decoder the way a player does and prints each callback, its main
// fields and a checksum of each displayed picture. The same program runs on a real GPU and on
// nvsim: the files under traces/ were written by an H200, and nvsim has to print the same.
//
//   settings    codec=h264|hevc  delay=N (display delay)  surfaces=min|N
//               chunk=N (bytes a packet; 0: an access unit)  eop=0|1 (mark the end of a picture)
//               decode=0|1  pts=0|1  brief=0|1
//   operations  feed:FILE[:FIRST[:LAST]]  access units of an Annex B file, counted from 0
//               late:FILE:FIRST  from unit FIRST on, with the parameter sets of unit 0 before it
//               corrupt:FILE:UNIT:OFFSET  the unit with 16 bytes from OFFSET on replaced
//               eos  eos-notify  discontinuity (flag on the next packet)  caps

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "trace.hpp"

namespace {

Bytes read_file(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

/** Access units of an Annex B stream whose units start with a delimiter. */
std::vector<Bytes> access_units(const Bytes &stream, bool hevc) {
  std::vector<size_t> starts;
  for (size_t i = 0; i + 4 < stream.size(); i++) {
    if (stream[i] != 0 || stream[i + 1] != 0 || stream[i + 2] != 1) continue;
    const int type = hevc ? stream[i + 3] >> 1 & 63 : stream[i + 3] & 31;
    if (type != (hevc ? 35 : 9)) continue;
    starts.push_back(i > 0 && stream[i - 1] == 0 ? i - 1 : i);
  }
  starts.push_back(stream.size());
  std::vector<Bytes> units;
  for (size_t i = 0; i + 1 < starts.size(); i++)
    units.emplace_back(stream.begin() + starts[i], stream.begin() + starts[i + 1]);
  return units;
}

std::vector<std::string> split(const std::string &text, char separator) {
  std::vector<std::string> parts{""};
  for (char c : text) {
    if (c == separator)
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

/** The parameter sets of a unit, with their start codes. */
Bytes parameter_sets(const Bytes &unit, bool hevc) {
  Bytes sets;
  bool wanted = false;
  for (size_t i = 0; i < unit.size(); i++) {
    if (i + 3 < unit.size() && unit[i] == 0 && unit[i + 1] == 0 && unit[i + 2] == 1) {
      const int type = hevc ? unit[i + 3] >> 1 & 63 : unit[i + 3] & 31;
      wanted = hevc ? type >= 32 && type <= 34 : type == 7 || type == 8;
    }
    if (wanted) sets.push_back(unit[i]);
  }
  return sets;
}

void feed(Trace &trace, const Settings &settings, const std::vector<std::string> &part) {
  if (part[0] != "feed" && part[0] != "late" && part[0] != "corrupt")
    throw std::runtime_error("unknown operation " + part[0]);
  auto units = access_units(read_file(part.at(1)), settings.hevc());
  const size_t first = part.size() > 2 ? std::stoul(part[2]) : 0;
  size_t last = units.size() - 1;
  if (part[0] == "feed" && part.size() > 3) last = std::stoul(part[3]);
  if (part[0] == "late") {
    const Bytes sets = parameter_sets(units.at(0), settings.hevc());
    units.at(first).insert(units.at(first).begin(), sets.begin(), sets.end());
  }
  if (part[0] == "corrupt") {
    last = first;
    for (size_t i = 0; i < 16; i++) units.at(first).at(std::stoul(part.at(3)) + i) ^= 0x5a + i;
  }
  for (size_t i = first; i <= last; i++) trace.feed(units.at(i));
}

void run(const Settings &settings, const std::vector<std::string> &operations) {
  Trace trace(settings);
  for (const std::string &operation : operations) {
    const auto part = split(operation, ':');
    if (part[0] == "eos") {
      trace.end(CUVID_PKT_ENDOFSTREAM);
    } else if (part[0] == "eos-notify") {
      trace.end(CUVID_PKT_ENDOFSTREAM | CUVID_PKT_NOTIFY_EOS);
    } else if (part[0] == "discontinuity") {
      trace.flag_next(CUVID_PKT_DISCONTINUITY);
    } else if (part[0] == "caps") {
      trace.caps();
    } else {
      feed(trace, settings, part);
    }
  }
}

}  // namespace

int main(int argc, char **argv) try {
  Settings settings;
  std::vector<std::string> operations;
  for (int i = 1; i < argc; i++) {
    const std::string word = argv[i];
    const size_t equals = word.find('=');
    if (equals == std::string::npos)
      operations.push_back(word);
    else
      settings.values.at(word.substr(0, equals)) = word.substr(equals + 1);
  }
  run(settings, operations);
  return 0;
} catch (const std::exception &error) {
  std::fprintf(stderr, "decode-trace: %s\n", error.what());
  return 1;
}
