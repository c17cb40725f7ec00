#include "proxy/net/jwks_fetcher.h"

#include <catch2/catch.hpp>

#include "config/limits.h"

using namespace vitrine;
using namespace std::chrono_literals;

TEST_CASE("how long keys are good") {
    struct Row {
        const char* cache_control;
        std::chrono::seconds age;
    };
    for (const Row& row : {
             Row{"max-age=86400, private", 86400s},
             Row{"public, max-age=21600, must-revalidate, no-transform", 21600s},
             Row{"MAX-AGE=60", 60s},
             Row{" private ,\tmax-age=60 ", 60s},
             Row{"max-age=0", limits::kJwksAgeMin},
             Row{"max-age=1", limits::kJwksAgeMin},
             Row{"max-age=31536000", limits::kJwksAgeMax},
             Row{"max-age=-1", limits::kJwksAgeMin},
             Row{"", limits::kJwksAgeDefault},
             Row{"no-cache", limits::kJwksAgeDefault},
             Row{"s-maxage=60", limits::kJwksAgeDefault},
             Row{"max-age", limits::kJwksAgeDefault},
             Row{"max-age=", limits::kJwksAgeDefault},
             Row{"max-age=6x", limits::kJwksAgeDefault},
             Row{"max-age=99999999999999999999", limits::kJwksAgeDefault},
             Row{"x-max-age=60,,=,", limits::kJwksAgeDefault},
         }) {
        INFO(row.cache_control);
        CHECK(net::age_of_keys(row.cache_control) == row.age);
    }
}
