// SPDX-License-Identifier: LGPL-2.1-or-later
#include "closed-clients.hpp"

#include <mutex>
#include <vector>

#include "base/ptr.hpp"

namespace cudacam::test {

using Clients = std::vector<ObjectPtr<GstRTSPClient>>;

// Shared with the signal handlers: a client that is sending when it closes says so late, and from
// the sending thread.
struct ClosedClients::Kept {
  std::mutex lock;  // guards what follows; a leaf: no client is let go under it
  bool keeping = true;
  Clients young;
  Clients old;

  void keep(GstRTSPClient *client) {
    std::lock_guard guard(lock);
    if (keeping) young.push_back(share(client));
  }

  // A client stays for one to two turns. Returns those that go.
  Clients turn() {
    std::lock_guard guard(lock);
    Clients gone = std::move(old);
    old = std::move(young);
    young.clear();
    return gone;
  }

  Clients end() {
    std::lock_guard guard(lock);
    keeping = false;
    Clients gone = std::move(old);
    for (auto &client : young) gone.push_back(std::move(client));
    young.clear();
    return gone;
  }

  // For signals and sources, which own a reference each.
  using Handle = std::shared_ptr<Kept>;
  static Kept &of(gpointer handle) { return **static_cast<Handle *>(handle); }
  static void free_handle(gpointer handle) { delete static_cast<Handle *>(handle); }
  static void free_handle_of_closure(gpointer handle, GClosure *) { free_handle(handle); }

  static void on_closed(GstRTSPClient *client, gpointer handle) { of(handle).keep(client); }
  static void on_connected(GstRTSPServer *, GstRTSPClient *client, gpointer handle) {
    g_signal_connect_data(client, "closed", G_CALLBACK(on_closed),
                          new Handle(*static_cast<Handle *>(handle)), free_handle_of_closure,
                          GConnectFlags(0));
  }
  static gboolean on_turn(gpointer handle) {
    const Clients gone = of(handle).turn();
    return G_SOURCE_CONTINUE;
  }
};

ClosedClients::ClosedClients(GstRTSPServer *server, GMainContext *context)
    : context_(context), kept_(std::make_shared<Kept>()), timer_(g_timeout_source_new_seconds(1)) {
  g_signal_connect_data(server, "client-connected", G_CALLBACK(Kept::on_connected),
                        new Kept::Handle(kept_), Kept::free_handle_of_closure, GConnectFlags(0));
  g_source_set_priority(timer_, G_PRIORITY_LOW);  // after idle sources that wait
  g_source_set_callback(timer_, Kept::on_turn, new Kept::Handle(kept_), Kept::free_handle);
  g_source_attach(timer_, context_);
}

ClosedClients::~ClosedClients() {
  g_source_destroy(timer_);
  g_source_unref(timer_);
  constexpr int kMany = 1000;
  for (int i = 0; i < kMany && g_main_context_iteration(context_, FALSE); ++i) {
  }
  const Clients gone = kept_->end();
}

}  // namespace cudacam::test
