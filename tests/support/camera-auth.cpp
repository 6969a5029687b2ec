// SPDX-License-Identifier: LGPL-2.1-or-later
#include "camera-auth.hpp"

#include <memory>
#include <string>

#include "test-certificate.hpp"

namespace cudacam::test {
namespace {

struct TokenUnref {
  void operator()(GstRTSPToken *token) const noexcept { gst_rtsp_token_unref(token); }
};
using TokenPtr = std::unique_ptr<GstRTSPToken, TokenUnref>;

void ask_for_password(GstRTSPAuth *auth, GstRTSPToken *token, const TestCameraOptions &options) {
  gst_rtsp_auth_set_supported_methods(
      auth, static_cast<GstRTSPAuthMethod>(GST_RTSP_AUTH_BASIC | GST_RTSP_AUTH_DIGEST));
  const CharPtr basic(gst_rtsp_auth_make_basic(options.user.c_str(), options.password.c_str()));
  gst_rtsp_auth_add_basic(auth, basic.get(), token);
  gst_rtsp_auth_add_digest(auth, options.user.c_str(), options.password.c_str(), token);
}

}  // namespace

ObjectPtr<GstRTSPAuth> make_camera_auth(const TestCameraOptions &options) {
  if (options.user.empty() && !options.tls) return nullptr;
  auto auth = adopt(gst_rtsp_auth_new());
  const TokenPtr token(
      gst_rtsp_token_new(GST_RTSP_TOKEN_MEDIA_FACTORY_ROLE, G_TYPE_STRING, kViewerRole, nullptr));
  if (options.user.empty()) {
    gst_rtsp_auth_set_default_token(auth.get(), token.get());
  } else {
    ask_for_password(auth.get(), token.get(), options);
  }
  if (options.tls) {
    const auto certificate = adopt(g_tls_certificate_new_from_pem(
        (std::string(kTestCertificate) + kTestKey).c_str(), -1, nullptr));
    gst_rtsp_auth_set_tls_certificate(auth.get(), certificate.get());
  }
  return auth;
}

}  // namespace cudacam::test
