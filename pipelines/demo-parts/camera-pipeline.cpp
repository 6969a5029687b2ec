// SPDX-License-Identifier: LGPL-2.1-or-later
#include "camera-pipeline.hpp"

#include <cstring>
#include <stdexcept>

namespace cudacam::demo {
namespace {

// Shorter than the defaults, so that a short show holds several outages.
constexpr GstClockTime kStallTimeout = 2 * GST_SECOND;
constexpr GstClockTime kRetryMaxDelay = GST_SECOND;

ObjectPtr<GstElement> make(const char *factory, const std::string &name) {
  auto element = cudacam::sink(gst_element_factory_make(factory, name.c_str()));
  if (!element)
    throw std::runtime_error(std::string("GStreamer finds no element ") + factory +
                             ": start the demo with ./pipelines/demo, or set GST_PLUGIN_PATH");
  return element;
}

StructurePtr statistics_of(GstElement *element) {
  GstStructure *statistics = nullptr;
  g_object_get(element, "statistics", &statistics, nullptr);
  return StructurePtr(statistics);
}

std::uint64_t count(const StructurePtr &statistics, const char *field) {
  guint64 value = 0;
  if (statistics) gst_structure_get_uint64(statistics.get(), field, &value);
  return value;
}

std::string text(const StructurePtr &statistics, const char *field) {
  const char *value = statistics ? gst_structure_get_string(statistics.get(), field) : nullptr;
  return value ? value : "";
}

bool is_video_decoder(GstElement *element) {
  const char *klass = gst_element_class_get_metadata(GST_ELEMENT_GET_CLASS(element), "klass");
  return klass && std::strstr(klass, "Decoder") && std::strstr(klass, "Video");
}

}  // namespace

CameraPipeline::CameraPipeline(const std::string &name, const std::string &location)
    : name_(name),
      pipeline_(cudacam::sink(gst_pipeline_new(name.c_str()))),
      source_(make("cudacamsrc", name + "-source")),
      sink_(make("cudacamsink", name + "-sink")) {
  const auto pool = make("cudacampool", name + "-pool");
  g_object_set(source_.get(), "location", location.c_str(), "camera-name", name.c_str(),
               "stall-timeout", kStallTimeout, "retry-max-delay", kRetryMaxDelay, nullptr);
  gst_bin_add_many(GST_BIN(pipeline_.get()), source_.get(), pool.get(), sink_.get(), nullptr);
  if (!gst_element_link_many(source_.get(), pool.get(), sink_.get(), nullptr))
    throw std::runtime_error("cudacamsrc ! cudacampool ! cudacamsink do not link");
}

CameraPipeline::~CameraPipeline() {
  stop();
}

void CameraPipeline::play() {
  if (gst_element_set_state(pipeline_.get(), GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE) return;
  const std::string reason = failure();
  throw std::runtime_error(name_ + " does not start: " + (reason.empty() ? "no reason" : reason));
}

void CameraPipeline::stop() {
  gst_element_set_state(pipeline_.get(), GST_STATE_NULL);
}

PipelineStatus CameraPipeline::status() const {
  const StructurePtr source = statistics_of(source_.get());
  const StructurePtr sink = statistics_of(sink_.get());
  PipelineStatus status;
  status.status = text(source, "status");
  status.last_error = text(source, "last-error");
  status.outages = count(source, "outages");
  status.retries = count(source, "num-retry");
  status.frames = count(sink, "frames");
  if (sink) gst_structure_get_uint(sink.get(), "outstanding", &status.outstanding);
  return status;
}

std::string CameraPipeline::failure() {
  const auto bus = adopt(gst_element_get_bus(pipeline_.get()));
  constexpr auto ends = static_cast<GstMessageType>(GST_MESSAGE_ERROR | GST_MESSAGE_EOS);
  while (const MessagePtr message{gst_bus_pop_filtered(bus.get(), ends)}) {
    if (!failure_.empty()) continue;
    failure_ = "end of stream";
    if (GST_MESSAGE_TYPE(message.get()) == GST_MESSAGE_EOS) continue;
    GError *raw_error = nullptr;
    gst_message_parse_error(message.get(), &raw_error, nullptr);
    const ErrorPtr error(raw_error);
    failure_ = error->message;
  }
  return failure_;
}

std::string CameraPipeline::decoder() const {
  std::string found;
  GstIterator *elements = gst_bin_iterate_recurse(GST_BIN(source_.get()));
  GValue item = G_VALUE_INIT;
  while (gst_iterator_next(elements, &item) == GST_ITERATOR_OK) {
    auto *element = static_cast<GstElement *>(g_value_get_object(&item));
    GstElementFactory *factory = gst_element_get_factory(element);
    if (factory && !GST_IS_BIN(element) && is_video_decoder(element))
      found = GST_OBJECT_NAME(factory);
    g_value_reset(&item);
  }
  g_value_unset(&item);
  gst_iterator_free(elements);
  return found;
}

bool CameraPipeline::frames_on_gpu() const {
  const auto pad = adopt(gst_element_get_static_pad(sink_.get(), "sink"));
  const CapsPtr caps(gst_pad_get_current_caps(pad.get()));
  return caps &&
         gst_caps_features_contains(gst_caps_get_features(caps.get(), 0), "memory:CUDAMemory");
}

}  // namespace cudacam::demo
