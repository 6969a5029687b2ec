// SPDX-License-Identifier: LGPL-2.1-or-later
/// Decoders in GStreamer's registry.
#pragma once

#include <gst/gst.h>

#include <string>

#include "base/ptr.hpp"
#include "decode/decoder-choice.hpp"

namespace cudacam {

/// What the registry knows of `element` as a decoder of `codec`.
DecoderFact decoder_fact(const Codec &codec, const std::string &element);

/// A new decoder, set up for a live camera: no frames of delay, no damaged frames. Null when the
/// element cannot be made.
ObjectPtr<GstElement> make_decoder(const std::string &element);

}  // namespace cudacam
