// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/decoder-choice.hpp"

namespace cudacam {

void DecoderRecord::failed(const std::string &element, std::uint64_t frames) {
  auto &failures = failures_[element];
  failures = frames >= kHealthyFrames ? 1 : failures + 1;
}

bool DecoderRecord::is_failing(const std::string &element) const {
  const auto found = failures_.find(element);
  return found != failures_.end() && found->second >= kFailures;
}

DecoderChoice choose_decoder(const Codec &codec, const std::string &wish,
                             const std::function<DecoderFact(const std::string &)> &fact) {
  if (!wish.empty()) {
    switch (fact(wish)) {
      case DecoderFact::fit:
      case DecoderFact::failing:
        return {wish, ""};
      case DecoderFact::absent:
        return {"", "Decoder " + wish +
                        " is not installed: install its plugin or clear property decoder"};
      case DecoderFact::unfit:
        return {"", "Element " + wish + " does not decode " + codec.name +
                        ", which the camera sends: clear property decoder or name one that does"};
    }
  }
  for (const auto wanted : {DecoderFact::fit, DecoderFact::failing}) {
    for (const char *name : codec.decoders) {
      if (fact(name) == wanted) return {name, ""};
    }
  }
  return {"", std::string("No decoder for ") + codec.name +
                  " is installed: install gstreamer1.0-libav, or on an NVIDIA GPU "
                  "gstreamer1.0-plugins-bad and the driver"};
}

}  // namespace cudacam
