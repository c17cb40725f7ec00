#include <catch2/catch.hpp>

#include "config/url.h"

using namespace vitrine::config;

TEST_CASE("https addresses are taken apart") {
    struct Row {
        const char* text;
        const char* host;
        int port;
        const char* target;
    };
    for (const Row& row : {Row{"https://x", "x", 443, "/"}, Row{"https://x/", "x", 443, "/"},
                           Row{"https://x?a=1", "x", 443, "/?a=1"},
                           Row{"https://Login.Example.com:8443/a/b?c=d:e@f", "Login.Example.com",
                               8443, "/a/b?c=d:e@f"},
                           Row{"https://[2001:db8::1]/k", "2001:db8::1", 443, "/k"},
                           Row{"https://[::1]:1/k", "::1", 1, "/k"},
                           Row{"https://192.0.2.7:65535", "192.0.2.7", 65535, "/"}}) {
        INFO(row.text);
        const auto url = parse_https_url(row.text);
        REQUIRE(url);
        CHECK(url->host == row.host);
        CHECK(url->port == row.port);
        CHECK(url->target == row.target);
    }
    for (const char* bad : {"",
                            "https://",
                            "http://x",
                            "HTTPS://x",
                            "https:/x",
                            "https:///x",
                            "https://u@x",
                            "https://u:p@x/",
                            "https://x#f",
                            "https://x/#f",
                            "https://x y/",
                            "https://x/\r\nHost: y",
                            "https://x:0",
                            "https://x:65536",
                            "https://x:",
                            "https://x:1x",
                            "https://x:-1",
                            "https://[::1",
                            "https://[::1]x",
                            "https://[]",
                            "https://[x]/",
                            "https://x\\@y/",
                            "https://x\xc3\xa9"}) {
        INFO(bad);
        CHECK_FALSE(parse_https_url(bad));
    }
}
