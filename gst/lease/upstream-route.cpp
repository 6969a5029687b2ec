// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/upstream-route.hpp"

#include <algorithm>
#include <deque>
#include <utility>

#include "pool/cudacampool.hpp"

namespace cudacam {
namespace {

using Pads = std::vector<ObjectPtr<GstPad>>;

Pads pads_of(GstElement *element, GstPadDirection direction) {
  Pads pads;
  const auto collect = [](GstElement *, GstPad *pad, gpointer list) -> gboolean {
    static_cast<Pads *>(list)->push_back(share(pad));
    return TRUE;
  };
  if (direction == GST_PAD_SINK)
    gst_element_foreach_sink_pad(element, collect, &pads);
  else
    gst_element_foreach_src_pad(element, collect, &pads);
  return pads;
}

/// The pad of another element that `pad` is linked to: out of the bins around it, never into one.
ObjectPtr<GstPad> far_end(GstPad *pad) {
  auto peer = adopt(gst_pad_get_peer(pad));
  while (peer) {
    const auto parent = adopt(gst_object_get_parent(GST_OBJECT(peer.get())));
    if (!parent || !GST_IS_PAD(parent.get())) break;
    peer = adopt(gst_pad_get_peer(GST_PAD(parent.get())));  // of the ghost pad around the peer
  }
  return peer;
}

bool is_source(GstElement *element) {
  return GST_OBJECT_FLAG_IS_SET(element, GST_ELEMENT_FLAG_SOURCE) ||
         pads_of(element, GST_PAD_SINK).empty();
}

bool is_pool(GstElement *element) {
  return G_TYPE_CHECK_INSTANCE_TYPE(element, gst_cuda_cam_pool_get_type());
}

bool is_linked(GstElement *element) {
  const auto pads = pads_of(element, GST_PAD_SRC);
  return std::any_of(pads.begin(), pads.end(),
                     [](const auto &pad) { return gst_pad_is_linked(pad.get()); });
}

bool comes_and_goes(GstPad *pad) {
  const auto *of = GST_PAD_PAD_TEMPLATE(pad);
  return of && GST_PAD_TEMPLATE_PRESENCE(of) == GST_PAD_SOMETIMES;
}

/// The source among the children of `bin` that is linked to nothing, or the only one there is.
ObjectPtr<GstElement> lost_source(GstBin *bin) {
  std::vector<ObjectPtr<GstElement>> all, lost;
  auto *sources = gst_bin_iterate_sources(bin);
  GValue item = G_VALUE_INIT;
  for (;;) {
    const auto result = gst_iterator_next(sources, &item);
    if (result == GST_ITERATOR_RESYNC) {
      gst_iterator_resync(sources);
      all.clear();
      lost.clear();
      continue;
    }
    if (result != GST_ITERATOR_OK) break;
    auto *element = GST_ELEMENT(g_value_get_object(&item));
    all.push_back(share(element));
    if (!is_linked(element)) lost.push_back(share(element));
    g_value_reset(&item);
  }
  g_value_unset(&item);
  gst_iterator_free(sources);
  if (lost.size() == 1) return std::move(lost[0]);
  if (all.size() == 1) return std::move(all[0]);
  return nullptr;
}

/// The same from the innermost bin around `pad` outwards.
ObjectPtr<GstElement> lost_source_near(GstPad *pad) {
  auto around = adopt(gst_object_get_parent(GST_OBJECT(pad)));
  while (around) {
    if (GST_IS_BIN(around.get()))
      if (auto source = lost_source(GST_BIN(around.get()))) return source;
    around = adopt(gst_object_get_parent(around.get()));
  }
  return nullptr;
}

}  // namespace

std::string media_of(GstPad *pad) {
  CapsPtr caps(gst_pad_get_current_caps(pad));
  if (!caps) caps.reset(gst_pad_query_caps(pad, nullptr));
  if (!caps || !gst_caps_get_size(caps.get())) return {};
  const auto *structure = gst_caps_get_structure(caps.get(), 0);
  const auto *media = gst_structure_get_string(structure, "media");
  return std::string(gst_structure_get_name(structure)) + (media ? std::string(" ") + media : "");
}

/// The element that feeds `sink`, now or before; null: unknown.
ObjectPtr<GstElement> UpstreamRoute::feeder(GstPad *sink) {
  if (const auto source = far_end(sink)) {
    auto element = adopt(gst_pad_get_parent_element(source.get()));
    if (element && comes_and_goes(source.get())) remember(source.get(), sink, element.get());
    return element;
  }
  for (const auto &before : memory_)
    if (before->sink.get().get() == sink) return before->source.get();
  return nullptr;
}

void UpstreamRoute::remember(GstPad *source, GstPad *sink, GstElement *element) {
  memory_.erase(std::remove_if(memory_.begin(), memory_.end(),
                               [&](const auto &before) {
                                 const auto pad = before->sink.get();
                                 return !pad || pad.get() == sink;
                               }),
                memory_.end());
  const CharPtr name(gst_pad_get_name(source));
  memory_.push_back(std::make_unique<Remembered>(sink, element, name.get(), media_of(source)));
}

/// The sink pads of the pools that are nearest to `sink`, or itself when there is none.
Pads UpstreamRoute::pool_entries(GstPad *sink) {
  Pads entries;
  std::vector<ObjectPtr<GstElement>> seen;
  std::deque<ObjectPtr<GstPad>> ahead;
  ahead.push_back(share(sink));
  while (!ahead.empty()) {
    const auto pad = std::move(ahead.front());
    ahead.pop_front();
    auto element = feeder(pad.get());
    if (!element || std::find(seen.begin(), seen.end(), element) != seen.end()) continue;
    for (auto &next : pads_of(element.get(), GST_PAD_SINK)) {
      if (is_pool(element.get()))
        entries.push_back(std::move(next));
      else
        ahead.push_back(std::move(next));
    }
    seen.push_back(std::move(element));
  }
  if (entries.empty()) entries.push_back(share(sink));
  return entries;
}

Upstream UpstreamRoute::find(GstPad *sink) {
  Upstream result;
  auto &elements = result.elements;
  const auto known = [&](const ObjectPtr<GstElement> &element) {
    return std::find(elements.begin(), elements.end(), element) != elements.end();
  };
  const auto note_source = [&](GstElement *element) {
    if (result.source.empty()) result.source = GST_OBJECT_NAME(element);
  };

  std::deque<ObjectPtr<GstPad>> ahead;
  for (auto &entry : pool_entries(sink)) ahead.push_back(std::move(entry));
  std::vector<ObjectPtr<GstPad>> loose;
  while (!ahead.empty()) {
    auto pad = std::move(ahead.front());
    ahead.pop_front();
    auto element = feeder(pad.get());
    if (!element) {
      loose.push_back(std::move(pad));
      continue;
    }
    if (known(element)) continue;
    if (is_source(element.get()))
      note_source(element.get());
    else
      for (auto &next : pads_of(element.get(), GST_PAD_SINK)) ahead.push_back(std::move(next));
    elements.push_back(std::move(element));
  }
  for (auto pad = loose.begin(); pad != loose.end() && result.source.empty(); ++pad) {
    auto element = lost_source_near(pad->get());
    if (!element || known(element)) continue;
    note_source(element.get());
    elements.push_back(std::move(element));
  }

  for (const auto &element : elements) {
    for (auto &pad : pads_of(element.get(), GST_PAD_SRC)) {
      const auto other = far_end(pad.get());
      auto peer = adopt(gst_pad_get_peer(pad.get()));
      if (!other || !peer) continue;
      // Pads for others than this sink come and go as well: a second camera stream, a recording.
      if (comes_and_goes(pad.get())) remember(pad.get(), peer.get(), element.get());
      if (!known(adopt(gst_pad_get_parent_element(other.get()))))
        result.outlets.push_back({std::move(pad), std::move(peer)});
    }
  }
  for (const auto &before : memory_) {
    auto from = before->source.get();
    auto to = before->sink.get();
    if (from && to && known(from))
      result.links.push_back({std::move(from), std::move(to), before->pad, before->media});
  }
  return result;
}

}  // namespace cudacam
