// SPDX-License-Identifier: LGPL-2.1-or-later
/// A camera in a network of its own, behind a cable that can be pulled. Linux, as root, with `ip`.
#pragma once

#include <string>

namespace cudacam::test {

/// Two network namespaces with a link between them: the calling thread, and every thread that it
/// starts later, is moved to one; a test camera lives in the other (TestCameraOptions::network).
/// While the link is cut packets vanish both ways, and nobody is told: no error, no end, no carrier
/// lost.
class CameraNetwork {
 public:
  /// Empty: it can be used here. Else why not.
  static std::string problem();

  /// Throws std::runtime_error.
  CameraNetwork();
  ~CameraNetwork();
  CameraNetwork(const CameraNetwork &) = delete;
  CameraNetwork &operator=(const CameraNetwork &) = delete;

  /// The camera's namespace and address.
  int descriptor() const { return camera_; }
  static const char *address() { return "10.77.0.2"; }

  void cut() { direct_to("02:00:00:00:00:ff", "02:00:00:00:00:ff"); }
  void mend() { direct_to("02:00:00:00:00:02", "02:00:00:00:00:01"); }

 private:
  /// Which hardware addresses the client and the camera believe the other one to have.
  void direct_to(const std::string &camera, const std::string &client);
  void in_camera_network(const std::string &command) const;

  int before_ = -1;
  int camera_ = -1;
};

}  // namespace cudacam::test
