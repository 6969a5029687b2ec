// SPDX-License-Identifier: LGPL-2.1-or-later
#include "network.hpp"

#include <fcntl.h>
#include <gst/gst.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <stdexcept>
#include <thread>
#include <utility>

namespace cudacam::test {
namespace {

/// A thread finds the switch of its own namespace there.
constexpr const char *kForwarding = "/proc/sys/net/ipv4/ip_forward";

[[noreturn]] void fail(const std::string &what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

void run(const std::string &command) {
  if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
}

/// On a thread of its own, which may change its namespace. Throws what `function` throws.
void on_a_thread(const std::function<void()> &function) {
  std::exception_ptr problem;
  std::thread([&] {
    try {
      function();
    } catch (...) {
      problem = std::current_exception();
    }
  }).join();
  if (problem) std::rethrow_exception(problem);
}

void inside(int network, const std::function<void()> &function) {
  on_a_thread([&] {
    if (setns(network, CLONE_NEWNET) != 0) fail("cannot enter a network namespace");
    function();
  });
}

/// Where another program finds a namespace that this one has open.
std::string path_of(int network) {
  return "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(network);
}

std::string with_address(const std::string &link, const std::string &address) {
  return "ip address add " + address + "/24 dev " + link + " && ip link set " + link + " up && ";
}

/// GStreamer's streaming threads are started by one thread of GLib's, made when the first task is:
/// here, so that it is not the camera's.
void start_threads_here() {
  static GRecMutex lock;
  auto *task = gst_task_new([](gpointer) {}, nullptr, nullptr);
  gst_task_set_lock(task, &lock);
  gst_object_unref(task);
}

}  // namespace

CameraNetwork::Namespace::~Namespace() {
  if (descriptor_ >= 0) close(descriptor_);
}

CameraNetwork::Namespace::Namespace(Namespace &&other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {
}

CameraNetwork::Namespace &CameraNetwork::Namespace::operator=(Namespace &&other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

CameraNetwork::Namespace CameraNetwork::Namespace::current() {
  Namespace result(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (result.get() < 0) fail("no network namespace");
  return result;
}

CameraNetwork::Namespace CameraNetwork::Namespace::create() {
  Namespace result;
  on_a_thread([&] {
    if (unshare(CLONE_NEWNET) != 0) fail("no new network namespace");
    result = current();
  });
  return result;
}

std::string CameraNetwork::problem() {
  if (geteuid() != 0) return "needs root";
  if (std::system("command -v ip >/dev/null") != 0) return "needs the program ip (iproute2)";
  try {
    on_a_thread([] {
      if (unshare(CLONE_NEWNET) != 0) fail("network namespaces");
      if (std::system("ip link add near type veth peer name far 2>/dev/null") != 0)
        throw std::runtime_error("veth links");
      if (access(kForwarding, W_OK) != 0) fail(kForwarding);
    });
  } catch (const std::runtime_error &missing) {
    return std::string("needs ") + missing.what();
  }
  return "";
}

CameraNetwork::CameraNetwork()
    : before_(Namespace::current()), camera_(Namespace::create()), router_(Namespace::create()) {
  if (unshare(CLONE_NEWNET) != 0) fail("no network for the client");
  start_threads_here();
  // The links are made in the router's namespace, and an end of each is moved to its owner.
  const Namespace client = Namespace::current();
  inside(router_.get(), [&] {
    run("ip link add to-client type veth peer name near && ip link set near netns " +
        path_of(client.get()));
    run("ip link add to-camera type veth peer name far && ip link set far netns " +
        path_of(camera_.get()));
    run(with_address("to-client", "10.77.1.254") + with_address("to-camera", "10.77.2.254") +
        "ip link set lo up");
  });
  run(with_address("near", "10.77.1.1") +
      "ip link set lo up && ip route add default via 10.77.1.254");
  inside(camera_.get(), [] {
    run(with_address("far", address()) +
        "ip link set lo up && ip route add default via 10.77.2.254");
  });
  mend();
}

CameraNetwork::~CameraNetwork() {
  if (setns(before_.get(), CLONE_NEWNET) != 0) std::abort();
}

void CameraNetwork::set_forwarding(bool on) {
  inside(router_.get(), [on] {
    const int file = open(kForwarding, O_WRONLY | O_CLOEXEC);
    if (file < 0) fail("cannot reach the router's switch");
    const bool written = write(file, on ? "1" : "0", 1) == 1;
    close(file);
    if (!written) fail("cannot turn the router's switch");
  });
}

}  // namespace cudacam::test
