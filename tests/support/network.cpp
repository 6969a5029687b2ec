// SPDX-License-Identifier: LGPL-2.1-or-later
#include "network.hpp"

#include <fcntl.h>
#include <gst/gst.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace cudacam::test {
namespace {

constexpr const char *kClientAddress = "10.77.0.1";

int current_network() {
  return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

[[noreturn]] void fail(const std::string &what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

void run(const std::string &command) {
  if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
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

std::string CameraNetwork::problem() {
  if (geteuid() != 0) return "needs root";
  if (std::system("command -v ip >/dev/null") != 0) return "needs the program ip (iproute2)";
  std::string problem;
  std::thread([&] {
    if (unshare(CLONE_NEWNET) != 0) {
      problem = std::string("needs network namespaces: ") + std::strerror(errno);
    } else if (std::system("ip link add near type veth peer name far 2>/dev/null") != 0) {
      problem = "needs veth links";
    }
  }).join();
  return problem;
}

CameraNetwork::CameraNetwork() : before_(current_network()) {
  if (before_ < 0) fail("no network namespace");
  std::thread([this] {
    if (unshare(CLONE_NEWNET) == 0) camera_ = current_network();
  }).join();
  if (camera_ < 0) fail("no network for the camera");
  if (unshare(CLONE_NEWNET) != 0) fail("no network for the client");
  start_threads_here();
  // A veth link lives where its ends are: the far one is moved by descriptor.
  run("ip link add near address 02:00:00:00:00:01 type veth peer name far address "
      "02:00:00:00:00:02");
  run("ip link set far netns /proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(camera_));
  run(std::string("ip address add ") + kClientAddress + "/24 dev near && ip link set near up && " +
      "ip link set lo up");
  in_camera_network(std::string("ip address add ") + address() +
                    "/24 dev far && ip link set far up && ip link set lo up");
  mend();
}

CameraNetwork::~CameraNetwork() {
  if (setns(before_, CLONE_NEWNET) != 0) std::abort();
  close(before_);
  close(camera_);
}

void CameraNetwork::in_camera_network(const std::string &command) const {
  std::string problem;
  std::thread([&] {
    try {
      if (setns(camera_, CLONE_NEWNET) != 0) fail("cannot enter the camera's network");
      run(command);
    } catch (const std::runtime_error &error) {
      problem = error.what();
    }
  }).join();
  if (!problem.empty()) throw std::runtime_error(problem);
}

/// A frame for a hardware address that nobody has is dropped where it arrives.
void CameraNetwork::direct_to(const std::string &camera, const std::string &client) {
  run(std::string("ip neigh replace ") + address() + " lladdr " + camera +
      " nud permanent dev near");
  in_camera_network(std::string("ip neigh replace ") + kClientAddress + " lladdr " + client +
                    " nud permanent dev far");
}

}  // namespace cudacam::test
