// SPDX-License-Identifier: LGPL-2.1-or-later
#include "test-camera.hpp"

#include <gst/rtsp-server/rtsp-server.h>
#include <sched.h>

#include <atomic>
#include <stdexcept>

#include "base/ptr.hpp"
#include "camera-auth.hpp"
#include "camera-media.hpp"
#include "closed-clients.hpp"
#include "command-loop.hpp"
#include "held-port.hpp"
#include "live-feed.hpp"
#include "live-media.hpp"
#include "rtsp-clients.hpp"

namespace cudacam::test {
namespace {

constexpr int kBacklog = 64;

// Where a client on this machine reaches a server that is bound to `address`.
std::string url_host(const std::string &address) {
  if (address == "0.0.0.0") return "127.0.0.1";
  if (address == "::") return "[::1]";
  return address.find(':') == std::string::npos ? address : "[" + address + "]";
}

TestCameraOptions with_numeric_address(TestCameraOptions options) {
  options.address = numeric_address(options.address);
  return options;
}

}  // namespace

// Everything but `feed_`, `port_` and what is constant belongs to the loop's thread. GstRTSPServer
// runs its clients there too (a thread pool without threads), so a command never meets a request
// half done.
class TestCamera::Impl {
 public:
  explicit Impl(TestCameraOptions options);
  ~Impl();

  void start();
  void stop();
  void close(CloseMode mode);
  void freeze(bool frozen);
  void freeze_after(CameraRequest request) { last_request_ = request; }
  void set_resolution(int width, int height);
  void send_eos();
  void require_password(const std::string &user, const std::string &password);
  void refuse(unsigned rtsp_status) { refusal_ = rtsp_status; }
  /// Changes what later streams are made from.
  void reconfigure(const std::function<void(TestCameraOptions &)> &change);
  unsigned clients() const { return server_ ? count_clients(server_.get()) : 0; }
  unsigned sessions() const { return gst_rtsp_session_pool_get_n_sessions(session_pool_.get()); }

  int port() const { return port_; }
  std::string url() const { return host_ + ":" + std::to_string(port_) + options_.path; }
  const LiveFeed &feed() const { return feed_; }
  std::optional<uint32_t> highest_at_close() const { return highest_at_close_; }
  CommandLoop &loop() { return loop_; }

 private:
  static void on_client(GstRTSPServer *, GstRTSPClient *client, gpointer self);
  static GstRTSPStatusCode on_request(Impl *self, CameraRequest request);
  static void on_media(GstRTSPMediaFactory *, GstRTSPMedia *media, gpointer self);
  ObjectPtr<GstRTSPServer> make_server();
  void mount();
  void apply_auth();

  TestCameraOptions options_;
  const std::string host_;
  LiveFeed feed_;
  std::atomic<int> port_;
  std::unique_ptr<HeldPort> held_port_;  // from the first start() on
  ObjectPtr<GstRTSPSessionPool> session_pool_;
  ObjectPtr<GstRTSPMountPoints> mounts_;
  ObjectPtr<GstRTSPServer> server_;        // while listening
  std::unique_ptr<ClosedClients> closed_;  // while listening
  GSource *listener_ = nullptr;            // while listening
  LiveMedia media_;
  std::optional<uint32_t> highest_at_close_;
  unsigned refusal_ = 0;
  std::optional<CameraRequest> last_request_;  // to be answered before it freezes
  CommandLoop loop_;
};

TestCamera::Impl::Impl(TestCameraOptions options)
    : options_(with_numeric_address(std::move(options))),
      host_((options_.tls ? "rtsps://" : "rtsp://") + url_host(options_.address)),
      feed_(options_.fps),
      port_(options_.port) {
  gst_init(nullptr, nullptr);
  check_camera_elements(options_);
  loop_.run([this] {
    if (options_.network >= 0 && setns(options_.network, CLONE_NEWNET) != 0)
      throw std::runtime_error("the test camera cannot enter its network");
  });
  session_pool_ = adopt(gst_rtsp_session_pool_new());
  mounts_ = adopt(gst_rtsp_mount_points_new());
}

TestCamera::Impl::~Impl() {
  loop_.run([this] {
    stop();
    mounts_.reset();
    session_pool_.reset();
  });
}

ObjectPtr<GstRTSPServer> TestCamera::Impl::make_server() {
  auto server = adopt(gst_rtsp_server_new());
  gst_rtsp_server_set_address(server.get(), options_.address.c_str());
  gst_rtsp_server_set_service(server.get(), std::to_string(port_).c_str());
  gst_rtsp_server_set_backlog(server.get(), kBacklog);
  gst_rtsp_server_set_session_pool(server.get(), session_pool_.get());
  gst_rtsp_server_set_mount_points(server.get(), mounts_.get());
  const auto threads = adopt(gst_rtsp_thread_pool_new());
  gst_rtsp_thread_pool_set_max_threads(threads.get(), 0);
  gst_rtsp_server_set_thread_pool(server.get(), threads.get());
  g_signal_connect(server.get(), "client-connected", G_CALLBACK(on_client), this);
  return server;
}

void TestCamera::Impl::start() {
  if (server_) return;
  if (!held_port_) {
    held_port_ = std::make_unique<HeldPort>(options_.address, port_);
    port_ = held_port_->port();
  }
  auto server = make_server();
  GError *raw_error = nullptr;
  listener_ = gst_rtsp_server_create_source(server.get(), nullptr, &raw_error);
  const ErrorPtr error(raw_error);
  if (!listener_)
    throw std::runtime_error("the test camera cannot listen on " + options_.address + " port " +
                             std::to_string(port_) + ": " +
                             (error ? error->message : "the address is in use or not ours"));
  server_ = std::move(server);
  closed_ = std::make_unique<ClosedClients>(server_.get(), loop_.context());
  g_source_attach(listener_, loop_.context());
  apply_auth();
  mount();
  freeze(false);
}

void TestCamera::Impl::stop() {
  if (!server_) return;
  g_source_destroy(listener_);
  g_source_unref(listener_);
  listener_ = nullptr;
  close(CloseMode::kFin);
  closed_.reset();
  server_.reset();
  freeze(false);
}

void TestCamera::Impl::close(CloseMode mode) {
  if (!server_) return;
  close_clients(server_.get(), mode);
  // A session whose connection has gone before is left over.
  const auto remove = [](GstRTSPSessionPool *, GstRTSPSession *, gpointer) {
    return GST_RTSP_FILTER_REMOVE;
  };
  g_list_free(gst_rtsp_session_pool_filter(session_pool_.get(), remove, nullptr));
  highest_at_close_ = feed_.highest();
}

void TestCamera::Impl::freeze(bool frozen) {
  last_request_.reset();
  feed_.set_frozen(frozen);
  loop_.hold(frozen);
}

void TestCamera::Impl::set_resolution(int width, int height) {
  TestCameraOptions wanted = options_;
  wanted.width = width;
  wanted.height = height;
  check_camera_options(wanted);
  options_.width = width;
  options_.height = height;
  media_.for_each_bin([this](GstElement *bin) { change_media_size(bin, options_); });
  mount();
}

void TestCamera::Impl::send_eos() {
  media_.for_each_bin(end_media);
  mount();
}

void TestCamera::Impl::require_password(const std::string &user, const std::string &password) {
  options_.user = user;
  options_.password = password;
  apply_auth();
}

void TestCamera::Impl::apply_auth() {
  if (!server_) return;
  const auto auth = make_camera_auth(options_);
  gst_rtsp_server_set_auth(server_.get(), auth.get());
}

void TestCamera::Impl::reconfigure(const std::function<void(TestCameraOptions &)> &change) {
  auto options = options_;
  change(options);
  check_camera_options(options);
  check_camera_elements(options);
  options_ = std::move(options);
  mount();
}

void TestCamera::Impl::on_client(GstRTSPServer *, GstRTSPClient *client, gpointer self) {
  const auto connect = [&](const char *signal, auto handler) {
    g_signal_connect(client, signal, G_CALLBACK(handler), self);
  };
  using Code = GstRTSPStatusCode;
  connect(
      "pre-options-request", +[](GstRTSPClient *, GstRTSPContext *, Impl *impl) -> Code {
        return on_request(impl, CameraRequest::kOptions);
      });
  connect(
      "pre-describe-request", +[](GstRTSPClient *, GstRTSPContext *, Impl *impl) -> Code {
        const auto code = on_request(impl, CameraRequest::kDescribe);
        return impl->refusal_ ? Code(impl->refusal_) : code;
      });
  connect(
      "pre-setup-request", +[](GstRTSPClient *, GstRTSPContext *, Impl *impl) -> Code {
        return on_request(impl, CameraRequest::kSetup);
      });
  connect(
      "pre-play-request", +[](GstRTSPClient *, GstRTSPContext *, Impl *impl) -> Code {
        return on_request(impl, CameraRequest::kPlay);
      });
}

// The answer leaves before the loop looks for anything else.
GstRTSPStatusCode TestCamera::Impl::on_request(Impl *self, CameraRequest request) {
  if (self->last_request_ == request) {
    self->last_request_.reset();
    self->freeze(true);
  }
  return GST_RTSP_STS_OK;
}

// A factory serves the options that it was made from, and shares one stream among its clients; a
// new one makes later clients independent of streams that have changed or ended.
void TestCamera::Impl::mount() {
  gst_rtsp_mount_points_remove_factory(mounts_.get(), options_.path.c_str());
  if (options_.not_found) return;
  GstRTSPMediaFactory *factory = gst_rtsp_media_factory_new();
  gst_rtsp_media_factory_set_launch(factory, camera_launch_line(options_).c_str());
  gst_rtsp_media_factory_set_shared(factory, TRUE);
  gst_rtsp_media_factory_set_protocols(
      factory, GstRTSPLowerTrans((options_.tcp ? GST_RTSP_LOWER_TRANS_TCP : 0) |
                                 (options_.udp ? GST_RTSP_LOWER_TRANS_UDP : 0)));
  gst_rtsp_media_factory_add_role(factory, kViewerRole, GST_RTSP_PERM_MEDIA_FACTORY_ACCESS,
                                  G_TYPE_BOOLEAN, TRUE, GST_RTSP_PERM_MEDIA_FACTORY_CONSTRUCT,
                                  G_TYPE_BOOLEAN, TRUE, nullptr);
  g_signal_connect(factory, "media-configure", G_CALLBACK(on_media), this);
  gst_rtsp_mount_points_add_factory(mounts_.get(), options_.path.c_str(), factory);
}

void TestCamera::Impl::on_media(GstRTSPMediaFactory *, GstRTSPMedia *media, gpointer self) {
  auto *impl = static_cast<Impl *>(self);
  impl->feed_.begin(g_get_real_time() / 1000);
  const auto bin = adopt(gst_rtsp_media_get_element(media));
  attach_to_feed(bin.get(), &impl->feed_, impl->options_);
  impl->media_.add(media);
}

TestCamera::TestCamera(TestCameraOptions options) {
  check_camera_options(options);
  impl_ = std::make_unique<Impl>(std::move(options));
  start();
}

TestCamera::~TestCamera() = default;

int TestCamera::port() const {
  return impl_->port();
}

std::string TestCamera::url() const {
  return impl_->url();
}

void TestCamera::close_connections() {
  impl_->loop().run([this] { impl_->close(CloseMode::kFin); });
}

void TestCamera::reset_connections() {
  impl_->loop().run([this] { impl_->close(CloseMode::kReset); });
}

void TestCamera::freeze() {
  impl_->loop().run([this] { impl_->freeze(true); });
}

void TestCamera::unfreeze() {
  impl_->loop().run([this] { impl_->freeze(false); });
}

void TestCamera::freeze_after(CameraRequest request) {
  impl_->loop().run([=] { impl_->freeze_after(request); });
}

bool TestCamera::is_frozen() const {
  return impl_->feed().frozen();
}

void TestCamera::stop() {
  impl_->loop().run([this] { impl_->stop(); });
}

void TestCamera::start() {
  impl_->loop().run([this] { impl_->start(); });
}

void TestCamera::set_resolution(int width, int height) {
  impl_->loop().run([=] { impl_->set_resolution(width, height); });
}

void TestCamera::send_eos() {
  impl_->loop().run([this] { impl_->send_eos(); });
}

void TestCamera::require_password(const std::string &user, const std::string &password) {
  impl_->loop().run([&] { impl_->require_password(user, password); });
}

void TestCamera::change(const std::function<void(TestCameraOptions &)> &change) {
  impl_->loop().run([&] { impl_->reconfigure(change); });
}

void TestCamera::set_not_found(bool not_found) {
  change([=](TestCameraOptions &options) { options.not_found = not_found; });
}

void TestCamera::refuse(unsigned rtsp_status) {
  impl_->loop().run([=] { impl_->refuse(rtsp_status); });
}

void TestCamera::set_codec(CameraCodec codec) {
  change([=](TestCameraOptions &options) { options.codec = codec; });
}

void TestCamera::set_rtp_start(uint32_t timestamp) {
  change([=](TestCameraOptions &options) { options.rtp_start = timestamp; });
}

void TestCamera::set_first_keyframe_delay(std::chrono::milliseconds delay) {
  change([=](TestCameraOptions &options) { options.first_keyframe_delay = delay; });
}

unsigned TestCamera::clients() const {
  return impl_->loop().run([this] { return impl_->clients(); });
}

unsigned TestCamera::sessions() const {
  return impl_->loop().run([this] { return impl_->sessions(); });
}

uint64_t TestCamera::frames_sent() const {
  return impl_->feed().frames_sent();
}

std::optional<uint32_t> TestCamera::highest_number() const {
  return impl_->feed().highest();
}

std::optional<uint32_t> TestCamera::highest_number_at_close() const {
  return impl_->loop().run([this] { return impl_->highest_at_close(); });
}

}  // namespace cudacam::test
