// SPDX-License-Identifier: LGPL-2.1-or-later
#include "decode/registry.hpp"

namespace cudacam {
namespace {

bool has_property(GstElement *element, const char *name) {
  return g_object_class_find_property(G_OBJECT_GET_CLASS(element), name) != nullptr;
}

/// GStreamer (1.22 to 1.28) counts an element as loaded as soon as its plugin's init has registered
/// it, so that while the first camera's thread loads nvcodec another one could make a decoder for
/// which not all is there: init makes the CUDA allocator last. Loading the file once more waits for
/// the end of an init, and does nothing else.
void wait_for_plugin(GstElementFactory *factory) {
  const auto plugin = adopt(gst_plugin_feature_get_plugin(GST_PLUGIN_FEATURE(factory)));
  const char *file = plugin ? gst_plugin_get_filename(plugin.get()) : nullptr;
  if (file) adopt(gst_plugin_load_file(file, nullptr));
}

}  // namespace

DecoderFact decoder_fact(const Codec &codec, const std::string &element) {
  const auto factory = adopt(gst_element_factory_find(element.c_str()));
  if (!factory) return DecoderFact::absent;
  const CapsPtr caps(gst_caps_from_string(codec.caps));
  // JPEG decoders call themselves those of images.
  const bool decodes =
      gst_element_factory_list_is_type(factory.get(), GST_ELEMENT_FACTORY_TYPE_DECODER |
                                                          GST_ELEMENT_FACTORY_TYPE_MEDIA_VIDEO |
                                                          GST_ELEMENT_FACTORY_TYPE_MEDIA_IMAGE) &&
      gst_element_factory_can_sink_any_caps(factory.get(), caps.get());
  return decodes ? DecoderFact::fit : DecoderFact::unfit;
}

ObjectPtr<GstElement> make_decoder(const std::string &element) {
  const auto factory = adopt(gst_element_factory_find(element.c_str()));
  if (!factory) return nullptr;
  // Loads the plugin, unless somebody else does or has done it.
  const auto loaded = adopt(gst_plugin_feature_load(GST_PLUGIN_FEATURE(factory.get())));
  if (!loaded) return nullptr;
  wait_for_plugin(factory.get());
  auto decoder = sink(gst_element_factory_create(GST_ELEMENT_FACTORY(loaded.get()), "decoder"));
  if (!decoder) return decoder;
  // libav's frame threads hold one frame per thread back: on a 16-core host half a second at 30
  // fps, and after a loss the last half second of the old stream. Slices are decoded without delay.
  if (has_property(decoder.get(), "thread-type"))
    gst_util_set_object_arg(G_OBJECT(decoder.get()), "thread-type", "slice");
  // To a reader a damaged frame is worse than a missing one.
  if (has_property(decoder.get(), "output-corrupt"))
    g_object_set(decoder.get(), "output-corrupt", FALSE, nullptr);
  if (has_property(decoder.get(), "discard-corrupted-frames"))
    g_object_set(decoder.get(), "discard-corrupted-frames", TRUE, nullptr);
  return decoder;
}

}  // namespace cudacam
