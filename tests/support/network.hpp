// SPDX-License-Identifier: LGPL-2.1-or-later
/// A camera in a network of its own, behind a cable that can be pulled. Linux, as root, with `ip`.
#pragma once

#include <string>

namespace cudacam::test {

/// Three network namespaces in a row, client - router - camera: the calling thread, and every
/// thread that it starts later, is moved to the first; a test camera lives in the last
/// (TestCameraOptions::network). While the link is cut the router forwards nothing and says
/// nothing: packets vanish both ways, without an error, an end or a lost carrier. What a sender has
/// cached of its route makes no difference, since its own link stays as it is.
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
  int descriptor() const { return camera_.get(); }
  static const char *address() { return "10.77.2.2"; }

  void cut() { set_forwarding(false); }
  void mend() { set_forwarding(true); }

 private:
  /// A descriptor of a namespace, which lives as long as it is open.
  class Namespace {
   public:
    Namespace() = default;
    explicit Namespace(int descriptor) : descriptor_(descriptor) {}
    ~Namespace();
    Namespace(Namespace &&other) noexcept;
    Namespace &operator=(Namespace &&other) noexcept;
    static Namespace current();
    static Namespace create();
    int get() const { return descriptor_; }

   private:
    int descriptor_ = -1;
  };

  void set_forwarding(bool on);

  Namespace before_, camera_, router_;
};

}  // namespace cudacam::test
