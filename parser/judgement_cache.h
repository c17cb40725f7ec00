// judge() with a memory: what clients send over and over (an application's statements, what an IDE
// asks on every reconnect) is judged once.
//
// A judgement is given again only where all that it was made from is the same, compared in full and
// not by a hash: the text, the policy (its version, which counts its catalog in and is never used
// twice) and everything in SessionContext. That has the user in it, by application_prefix, so how
// long an answer takes tells nobody what others have sent. Not kept: a refusal, whatever hangs on
// which statements are prepared, and what is too large (config/limits.h).
//
// Bounded by construction: a table of fixed size, in which a text has a handful of places, so none
// can be found that makes a look-up slow. A text gets a place the second time it is met: what is
// sent once, as statements with their values written into them are, drives nothing out.
//
// Not thread-safe: one a worker. Builds with assertions hold each hit to what judge() says afresh.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/limits.h"
#include "parser/judge.h"

namespace vitrine::parser {

class JudgementCache {
  public:
    JudgementCache();
    ~JudgementCache();
    JudgementCache(const JudgementCache&) = delete;
    JudgementCache& operator=(const JudgementCache&) = delete;

    // What judge() says. Throws what it throws, std::bad_alloc.
    [[nodiscard]] std::shared_ptr<const Judgement> judge(std::string_view sql, const Policy& policy,
                                                         const SessionContext& session);

    [[nodiscard]] std::size_t entries() const { return entries_; }
    // Of texts, contexts and judgements; at most limits::kJudgementCacheBytesMax.
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    // How often a judgement was given again.
    [[nodiscard]] std::uint64_t hits() const { return hits_; }
    // How often it had to be made.
    [[nodiscard]] std::uint64_t misses() const { return misses_; }

  private:
    struct Entry;
    struct Place {
        std::uint64_t hash = 0;
        std::uint64_t used = 0;  // by clock_: when last
        std::unique_ptr<const Entry> entry;
    };
    static constexpr std::size_t kSets =
        limits::kJudgementCacheEntriesMax / limits::kJudgementCachePlacesPerText;
    static_assert((kSets & (kSets - 1)) == 0);
    using Set = std::array<Place, limits::kJudgementCachePlacesPerText>;

    void keep(Set& set, std::uint64_t hash, std::unique_ptr<const Entry> entry);
    void drop(Place& place);
    // The place that was not used for the longest time, or an empty one.
    [[nodiscard]] static Place& oldest(Set& set);
    // The same, an empty one only where all are.
    [[nodiscard]] static Place& oldest_kept(Set& set);
    // Was this hash met lately? It has been from now on.
    [[nodiscard]] bool met(std::uint64_t hash);

    std::vector<Set> sets_;
    std::vector<std::uint64_t> met_;
    std::size_t entries_ = 0;
    std::size_t bytes_ = 0;
    std::size_t hand_ = 0;  // the set that is looked at next where there are too many bytes
    std::uint64_t clock_ = 0;
    std::uint64_t hits_ = 0;
    std::uint64_t misses_ = 0;
};

}  // namespace vitrine::parser
