// SPDX-License-Identifier: LGPL-2.1-or-later
#include "lease/source-cycle.hpp"

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

GST_DEBUG_CATEGORY_EXTERN(cudacamsink_debug);
#define GST_CAT_DEFAULT cudacamsink_debug

namespace cudacam {
namespace {

using Elements = std::vector<ObjectPtr<GstElement>>;

/// Elements in a cycle, of the whole process: two sinks behind one source may both ask for one.
class Claim {
 public:
  explicit Claim(const Elements &elements) {
    std::lock_guard lock(mutex());
    for (const auto &element : elements)
      if (claimed().count(element.get())) return;
    for (const auto &element : elements) claimed().insert(element.get());
    mine_ = &elements;
  }
  ~Claim() {
    if (!mine_) return;
    std::lock_guard lock(mutex());
    for (const auto &element : *mine_) claimed().erase(element.get());
  }
  Claim(const Claim &) = delete;
  Claim &operator=(const Claim &) = delete;
  explicit operator bool() const { return mine_; }

 private:
  // Never destroyed: a cycle may outlast exit().
  static std::mutex &mutex() {  // guards claimed(); a leaf
    static auto *it = new std::mutex;
    return *it;
  }
  static std::set<GstElement *> &claimed() {
    static auto *it = new std::set<GstElement *>;
    return *it;
  }
  const Elements *mine_ = nullptr;
};

/// The state that the bin around `element` has or goes to, and its clock and base time.
struct Around {
  GstState target = GST_STATE_NULL;
  GstClockTime base_time = 0;
  ObjectPtr<GstClock> clock;

  explicit Around(GstElement *element) {
    const auto parent = adopt(gst_object_get_parent(GST_OBJECT(element)));
    if (!parent || !GST_IS_ELEMENT(parent.get())) return;
    auto *bin = GST_ELEMENT(parent.get());
    GST_OBJECT_LOCK(bin);
    target = GST_STATE_TARGET(bin);
    base_time = bin->base_time;
    clock = share(bin->clock);
    GST_OBJECT_UNLOCK(bin);
  }
};

/// As the bin around it would start it, which does so only when it changes its own state.
GstState follow_bin(GstElement *element) {
  const Around around(element);
  if (around.target > GST_STATE_READY) {
    if (around.clock) gst_element_set_clock(element, around.clock.get());
    gst_element_set_base_time(element, around.base_time);
  }
  auto result = gst_element_set_state(element, around.target);
  // Bins that find a live source only on the way (uridecodebin) stay in PAUSED the first time.
  if (result == GST_STATE_CHANGE_NO_PREROLL && around.target == GST_STATE_PLAYING)
    result = gst_element_set_state(element, around.target);
  if (result == GST_STATE_CHANGE_FAILURE)
    GST_WARNING_OBJECT(element, "does not start again; what it says is on the bus");
  return around.target;
}

/// A bin that changes its own state meanwhile may be overtaken by us, so it is looked at again.
void follow_bin_for_good(GstElement *element) {
  while (follow_bin(element) != Around(element).target) {
  }
}

/// Stands between an element and the bus of its bin, and keeps from that what makes bins wait.
class QuietBus {
 public:
  explicit QuietBus(GstElement *element)
      : element_(element),
        before_(adopt(gst_element_get_bus(element))),
        bus_(adopt(gst_bus_new())) {
    gst_bus_set_sync_handler(bus_.get(), pass, g_object_ref(before_.get()),
                             [](gpointer bus) { g_object_unref(bus); });
    gst_element_set_bus(element, bus_.get());
  }
  ~QuietBus() {
    const auto element = element_.get();
    // Unless it has left its bin, or found another.
    if (element && adopt(gst_element_get_bus(element.get())) == bus_)
      gst_element_set_bus(element.get(), before_.get());
  }
  QuietBus(const QuietBus &) = delete;
  QuietBus &operator=(const QuietBus &) = delete;

 private:
  static GstBusSyncReply pass(GstBus *, GstMessage *message, gpointer before) {
    switch (GST_MESSAGE_TYPE(message)) {
      case GST_MESSAGE_ASYNC_DONE:
        // Its frame has come. Not here, where it is in the middle of its change of state.
        gst_element_call_async(
            GST_ELEMENT(GST_MESSAGE_SRC(message)),
            [](GstElement *element, gpointer) { follow_bin_for_good(element); }, nullptr, nullptr);
        break;
      case GST_MESSAGE_ASYNC_START:
        break;
      default:
        gst_bus_post(static_cast<GstBus *>(before), message);
        return GST_BUS_DROP;  // whose reference gst_bus_post() took
    }
    gst_message_unref(message);
    return GST_BUS_DROP;
  }

  WeakPtr<GstElement> element_;
  const ObjectPtr<GstBus> before_;
  const ObjectPtr<GstBus> bus_;
};

/// Makes links again as pads come back.
class Relinker {
 public:
  explicit Relinker(const std::vector<Upstream::Link> &links);
  ~Relinker();
  Relinker(const Relinker &) = delete;
  Relinker &operator=(const Relinker &) = delete;

 private:
  struct Links;
  struct Watch {
    WeakPtr<GstElement> element;
    const gulong handler;
    Watch(GstElement *on, gulong id) : element(on), handler(id) {}
  };
  std::vector<std::unique_ptr<Watch>> watches_;
};

struct Relinker::Links {
  /// The element's handler owns this, so it must not own the element.
  struct Open {
    const GstElement *source;
    ObjectPtr<GstPad> sink;
    std::string pad, media;
  };
  std::mutex mutex;  // guards all below; not held while linking
  std::vector<Open> open;

  /// The sink pad that this pad is to be linked to: by its name, or else by its media.
  ObjectPtr<GstPad> take(GstElement *element, GstPad *pad) {
    const CharPtr name(gst_pad_get_name(pad));
    const auto media = media_of(pad);
    std::lock_guard lock(mutex);
    for (const bool by_name : {true, false}) {
      const auto found = std::find_if(open.begin(), open.end(), [&](const auto &one) {
        return one.source == element && one.media == media && (!by_name || one.pad == name.get()) &&
               !gst_pad_is_linked(one.sink.get());
      });
      if (found == open.end()) continue;
      auto sink = std::move(found->sink);
      open.erase(found);
      return sink;
    }
    return nullptr;
  }

  static void on_pad_added(GstElement *element, GstPad *pad, gpointer data) {
    if (GST_PAD_DIRECTION(pad) != GST_PAD_SRC || gst_pad_is_linked(pad)) return;
    const auto sink = (*static_cast<std::shared_ptr<Links> *>(data))->take(element, pad);
    if (!sink) return;
    const auto result = gst_pad_link(pad, sink.get());
    if (result != GST_PAD_LINK_OK)
      GST_WARNING_OBJECT(element, "%s:%s cannot be linked to %s:%s again: %s",
                         GST_DEBUG_PAD_NAME(pad), GST_DEBUG_PAD_NAME(sink.get()),
                         gst_pad_link_get_name(result));
  }
};

Relinker::Relinker(const std::vector<Upstream::Link> &links) {
  const auto shared = std::make_shared<Links>();
  std::set<GstElement *> elements;
  for (const auto &link : links) {
    shared->open.push_back({link.source.get(), share(link.sink.get()), link.pad, link.media});
    elements.insert(link.source.get());
  }
  for (auto *element : elements) {
    // After those of the application.
    const auto handler = g_signal_connect_data(
        element, "pad-added", G_CALLBACK(Links::on_pad_added), new std::shared_ptr<Links>(shared),
        [](gpointer data, GClosure *) { delete static_cast<std::shared_ptr<Links> *>(data); },
        G_CONNECT_AFTER);
    watches_.push_back(std::make_unique<Watch>(element, handler));
  }
}

Relinker::~Relinker() {
  for (const auto &watch : watches_)
    if (const auto element = watch->element.get())
      g_signal_handler_disconnect(element.get(), watch->handler);
}

struct FullAftercare : Aftercare {
  std::vector<std::unique_ptr<QuietBus>> buses;
  Relinker relinker;

  FullAftercare(const Upstream &upstream, const Elements &started) : relinker(upstream.links) {
    for (const auto &element : started) buses.push_back(std::make_unique<QuietBus>(element.get()));
  }
};

}  // namespace

std::unique_ptr<Aftercare> cycle(const Upstream &upstream, const std::function<void()> &stopped) {
  const Claim claim(upstream.elements);
  if (!claim) return nullptr;
  Elements ours;
  for (const auto &element : upstream.elements) {
    // Out of its bin, or the application's own affair.
    if (!element->bus || gst_element_is_locked_state(element.get())) continue;
    gst_element_set_locked_state(element.get(), TRUE);
    ours.push_back(share(element.get()));
  }
  for (const auto &outlet : upstream.outlets)
    gst_pad_push_event(outlet.source.get(), gst_event_new_flush_start());
  for (const auto &element : ours) gst_element_set_state(element.get(), GST_STATE_NULL);
  for (const auto &outlet : upstream.outlets)
    gst_pad_send_event(outlet.sink.get(), gst_event_new_flush_stop(FALSE));
  stopped();
  auto aftercare = std::make_unique<FullAftercare>(upstream, ours);
  for (const auto &element : ours) {
    gst_element_set_locked_state(element.get(), FALSE);
    follow_bin_for_good(element.get());
  }
  return aftercare;
}

}  // namespace cudacam
