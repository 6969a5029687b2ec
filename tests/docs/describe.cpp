// SPDX-License-Identifier: LGPL-2.1-or-later
/// describe ELEMENT: prints the element's own properties and signals as Markdown, from the element
/// itself, for docs/elements/.
#include <gst/gst.h>

#include <cstdio>
#include <string>

#include "base/ptr.hpp"

namespace {

/// Lengths of time are in nanoseconds; people read seconds and milliseconds.
std::string with_unit(const GParamSpec *spec, const std::string &value) {
  const std::string blurb = g_param_spec_get_blurb(const_cast<GParamSpec *>(spec));
  if (blurb.find("nanoseconds") == std::string::npos || value == "0") return value;
  const auto number = std::stoull(value);
  if (number % GST_SECOND == 0) return value + " (" + std::to_string(number / GST_SECOND) + " s)";
  if (number % GST_MSECOND == 0)
    return value + " (" + std::to_string(number / GST_MSECOND) + " ms)";
  return value;
}

std::string default_of(GParamSpec *spec) {
  if (!(spec->flags & G_PARAM_WRITABLE)) return "";
  const auto *value = g_param_spec_get_default_value(spec);
  if (G_VALUE_HOLDS_STRING(value)) {
    const auto *text = g_value_get_string(value);
    return text ? "`" + std::string(text) + "`" : "NULL";
  }
  const cudacam::CharPtr text(gst_value_serialize(value));
  return text ? with_unit(spec, text.get()) : "";
}

std::string access(const GParamSpec *spec) {
  if (!(spec->flags & G_PARAM_WRITABLE)) return "read";
  if (!(spec->flags & G_PARAM_READABLE)) return "write";
  if (spec->flags & GST_PARAM_MUTABLE_PLAYING) return "read, write any time";
  return "read, write until READY";
}

std::string choices(GType type) {
  std::string text;
  if (G_TYPE_IS_ENUM(type)) {
    auto *klass = static_cast<GEnumClass *>(g_type_class_ref(type));
    for (guint i = 0; i < klass->n_values; ++i)
      text += (i ? ", `" : " One of `") + std::string(klass->values[i].value_nick) + "`";
    g_type_class_unref(klass);
    text += ".";
  }
  return text;
}

void describe_properties(GstElement *element) {
  guint count = 0;
  auto **specs = g_object_class_list_properties(G_OBJECT_GET_CLASS(element), &count);
  std::printf("| property | type | default | access | meaning |\n|---|---|---|---|---|\n");
  for (guint i = 0; i < count; ++i) {
    auto *spec = specs[i];
    if (spec->owner_type != G_OBJECT_TYPE(element)) continue;
    std::printf("| `%s` | %s | %s | %s | %s.%s |\n", spec->name, g_type_name(spec->value_type),
                default_of(spec).c_str(), access(spec).c_str(), g_param_spec_get_blurb(spec),
                choices(spec->value_type).c_str());
  }
  g_free(specs);
}

void describe_signals(GstElement *element) {
  guint count = 0;
  auto *ids = g_signal_list_ids(G_OBJECT_TYPE(element), &count);
  if (count) std::printf("| signal | kind | parameters | returns |\n|---|---|---|---|\n");
  for (guint i = 0; i < count; ++i) {
    GSignalQuery query;
    g_signal_query(ids[i], &query);
    std::string parameters;
    for (guint p = 0; p < query.n_params; ++p)
      parameters += (p ? ", " : "") + std::string(g_type_name(query.param_types[p]));
    std::printf("| `%s` | %s | %s | %s |\n", query.signal_name,
                query.signal_flags & G_SIGNAL_ACTION ? "action" : "notification",
                parameters.c_str(), g_type_name(query.return_type));
  }
  g_free(ids);
}

}  // namespace

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  if (argc != 3 || (std::string(argv[2]) != "properties" && std::string(argv[2]) != "signals")) {
    std::fprintf(stderr, "usage: describe ELEMENT properties|signals\n");
    return 2;
  }
  const auto element = cudacam::sink(gst_element_factory_make(argv[1], nullptr));
  if (!element) {
    std::fprintf(stderr, "no element %s\n", argv[1]);
    return 1;
  }
  std::string(argv[2]) == "properties" ? describe_properties(element.get())
                                       : describe_signals(element.get());
  return 0;
}
