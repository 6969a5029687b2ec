// SPDX-License-Identifier: LGPL-2.1-or-later
//
// field-streams FOLDER: writes each stream with field pictures to FOLDER/NAME.h264.
#include <fstream>
#include <iostream>

#include "tests/decode-suite/field_streams.hpp"

int main(int argc, char **argv) {
  if (argc != 2) {
    std::cerr << "usage: field-streams FOLDER\n";
    return 2;
  }
  for (const auto &stream : field_streams::all()) {
    const std::string path = std::string(argv[1]) + "/" + stream.name + ".h264";
    std::ofstream file(path, std::ios::binary);
    for (const auto &unit : stream.units)
      file.write(reinterpret_cast<const char *>(unit.data()),
                 static_cast<std::streamsize>(unit.size()));
    if (!file.flush()) {
      std::cerr << "cannot write " << path << '\n';
      return 1;
    }
  }
  return 0;
}
