// SPDX-License-Identifier: LGPL-2.1-or-later
/// The codecs a camera may send, and what each needs. Pure C++.
#pragma once

#include <array>
#include <string_view>

namespace cudacam {

/// One row per codec; the only place that names its elements.
struct Codec {
  const char *name;           ///< for people
  const char *encoding_name;  ///< in RTP caps (RFC 6184, 7798, 2435)
  const char *depay;
  const char *parse;
  const char *caps;  ///< what the parser makes and every decoder of the list takes
  /// Best first: NVIDIA's hardware, then software that conceals least, then the rest.
  std::array<const char *, 3> decoders;
};

/// Null: not supported. The case of `encoding_name` does not matter.
const Codec *find_codec(std::string_view encoding_name);

}  // namespace cudacam
