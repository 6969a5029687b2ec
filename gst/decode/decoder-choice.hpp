// SPDX-License-Identifier: LGPL-2.1-or-later
/// Which decoder element a codec gets. Pure C++.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "ingest/codec.hpp"

namespace cudacam {

/// What the registry says of an element name.
enum class DecoderFact {
  absent,   ///< no such element; NVIDIA's are absent when their driver is
  unfit,    ///< an element, but not a video decoder that takes this codec
  failing,  ///< fit, but it fails again and again
  fit,
};

struct DecoderChoice {
  std::string element;  ///< empty: none, and `problem` says what to do
  std::string problem;
};

/// Which elements fail again and again. Not thread-safe.
class DecoderRecord {
 public:
  /// So many failures in a row: the same kind gets one more chance.
  static constexpr unsigned kFailures = 2;
  /// A failure after so many frames is the first one again.
  static constexpr std::uint64_t kHealthyFrames = 250;

  /// A decoder has failed that had made `frames`.
  void failed(const std::string &element, std::uint64_t frames);
  bool is_failing(const std::string &element) const;

 private:
  std::map<std::string, unsigned> failures_;
};

/// `wish`: the element the user named, which is never replaced by another; empty: the best one that
/// is not failing, or the best when all are. `fact`: asked for names as needed.
DecoderChoice choose_decoder(const Codec &codec, const std::string &wish,
                             const std::function<DecoderFact(const std::string &)> &fact);

}  // namespace cudacam
