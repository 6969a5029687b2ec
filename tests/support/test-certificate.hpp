// SPDX-License-Identifier: LGPL-2.1-or-later
/// A self-signed certificate for 127.0.0.1, valid until 2120, with its key: for tests, no secret.
#pragma once

namespace cudacam::test {

constexpr char kTestCertificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBYTCCAQagAwIBAgIBATAKBggqhkjOPQQDAjAWMRQwEgYDVQQDDAt0ZXN0IGNh\n"
    "bWVyYTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFjEUMBIGA1UE\n"
    "AwwLdGVzdCBjYW1lcmEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARSFqJgvsK6\n"
    "bJsJ/UrSMoPONBdTPvVrHzzZlVyMY7RzuUf7qOSNKuKhk+kZWWuVptHh455T35xI\n"
    "UOUSPC9bCaz/o0MwQTAPBgNVHREECDAGhwR/AAABMA8GA1UdEwEB/wQFMAMBAf8w\n"
    "HQYDVR0OBBYEFCCP1tVMAKKCV+csI5dqdqLm3cCtMAoGCCqGSM49BAMCA0kAMEYC\n"
    "IQCKLcKfeQps/sMetv/nf7AZmfjTm/cS/f3seM78Vc5eXgIhAOzsCh+pB+kKkR7f\n"
    "bXw/uCuzORJKaaeSqD6Z4H+0bEH4\n"
    "-----END CERTIFICATE-----\n";

constexpr char kTestKey[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQguwvQehuyN+ha5JEK\n"
    "utyfupkHHCfeFsu+cd0KMGgcJ1KhRANCAARSFqJgvsK6bJsJ/UrSMoPONBdTPvVr\n"
    "HzzZlVyMY7RzuUf7qOSNKuKhk+kZWWuVptHh455T35xIUOUSPC9bCaz/\n"
    "-----END PRIVATE KEY-----\n";

}  // namespace cudacam::test
