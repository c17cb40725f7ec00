#include "parser/judgement_cache.h"

#include <algorithm>
#include <cassert>
#include <functional>
#include <utility>

namespace vitrine::parser {
namespace {

// What an allocation costs beside its bytes, about.
constexpr std::size_t kAllocationBytes = 16;

std::size_t bytes_of(const std::string& text) {
    return text.capacity() + kAllocationBytes;
}

template <typename Element>
std::size_t bytes_of_array(const std::vector<Element>& elements) {
    return elements.capacity() * sizeof(Element) + kAllocationBytes;
}

std::size_t bytes_of(const std::vector<std::string>& texts) {
    std::size_t bytes = bytes_of_array(texts);
    for (const std::string& text : texts) {
        bytes += bytes_of(text);
    }
    return bytes;
}

std::size_t bytes_of(const Judgement& judgement) {
    std::size_t bytes = sizeof(Judgement) + bytes_of_array(judgement.statements) +
                        bytes_of_array(judgement.positions.pieces());
    for (const StatementJudgement& statement : judgement.statements) {
        bytes += bytes_of(statement.rule) + bytes_of(statement.masked) +
                 bytes_of(statement.filtered) + bytes_of(statement.name) +
                 bytes_of(statement.command_tag);
        if (statement.forwarded) {
            bytes += bytes_of(*statement.forwarded);
        }
    }
    if (judgement.forwarded) {
        bytes += bytes_of(*judgement.forwarded);
    }
    return bytes;
}

// The constant is 2^64 by the golden ratio, as Knuth has it.
std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
    return (hash ^ value ^ (hash >> 29U)) * 0x9e3779b97f4a7c15U;
}

std::uint64_t mix(std::uint64_t hash, std::string_view text) {
    return mix(hash, std::hash<std::string_view>{}(text));
}

// A hash says where to look, never that it is the same.
std::uint64_t hash_of(std::string_view sql, std::uint64_t policy, const SessionContext& session) {
    std::uint64_t hash = mix(policy, sql);
    for (const std::string& schema : session.search_path) {
        hash = mix(hash, schema);
    }
    hash = mix(hash, session.application_prefix);
    for (const Oid type : session.parameter_types) {
        hash = mix(hash, type);
    }
    hash = mix(hash, (session.costs_fixed ? 4U : 0U) | (session.search_path_known ? 2U : 0U) |
                         static_cast<std::uint64_t>(session.protocol));
    return hash ^ (hash >> 32U);
}

bool keepable(const Judgement& judgement) {
    return judgement.allowed() && !judgement.depends_on_prepared;
}

}  // namespace

struct JudgementCache::Entry {
    std::string sql;
    std::uint64_t policy;
    std::vector<std::string> search_path;
    bool search_path_known;
    std::string application_prefix;
    bool costs_fixed;
    Protocol protocol;
    std::vector<Oid> parameter_types;
    std::shared_ptr<const Judgement> judgement;

    Entry(std::string_view text, std::uint64_t version, const SessionContext& session,
          std::shared_ptr<const Judgement> made)
        : sql(text),
          policy(version),
          search_path(session.search_path),
          search_path_known(session.search_path_known),
          application_prefix(session.application_prefix),
          costs_fixed(session.costs_fixed),
          protocol(session.protocol),
          parameter_types(session.parameter_types),
          judgement(std::move(made)) {}

    [[nodiscard]] bool is_of(std::string_view text, std::uint64_t version,
                             const SessionContext& session) const {
        // Names all of SessionContext: one that is added does not compile until it is compared too.
        // `prepared` is left out, since nothing that asked it is kept.
        const auto& [path, path_known, prefix, fixed, its_protocol, types, prepared] = session;
        static_cast<void>(prepared);
        return policy == version && search_path_known == path_known && protocol == its_protocol &&
               sql == text && search_path == path && application_prefix == prefix &&
               costs_fixed == fixed && parameter_types == types;
    }

    [[nodiscard]] std::size_t bytes() const {
        return sizeof(Entry) + bytes_of(sql) + bytes_of(search_path) +
               bytes_of(application_prefix) + bytes_of_array(parameter_types) +
               bytes_of(*judgement);
    }
};

JudgementCache::JudgementCache() : sets_(kSets), met_(limits::kJudgementCacheMetMax) {}

JudgementCache::~JudgementCache() = default;

std::shared_ptr<const Judgement> JudgementCache::judge(std::string_view sql, const Policy& policy,
                                                       const SessionContext& session) {
    const auto afresh = [&] {
        return std::make_shared<const Judgement>(parser::judge(std::string(sql), policy, session));
    };
    if (sql.size() > limits::kJudgementCacheEntryBytesMax) {
        ++misses_;
        return afresh();
    }
    const std::uint64_t version = policy.version();
    const std::uint64_t hash = hash_of(sql, version, session);
    Set& set = sets_[hash & (kSets - 1)];
    for (Place& place : set) {
        if (place.hash == hash && place.entry && place.entry->is_of(sql, version, session)) {
            place.used = ++clock_;
            ++hits_;
            assert(*place.entry->judgement == *afresh());
            return place.entry->judgement;
        }
    }
    ++misses_;
    auto judgement = afresh();
    if (keepable(*judgement) && met(hash)) {
        keep(set, hash, std::make_unique<const Entry>(sql, version, session, judgement));
    }
    return judgement;
}

void JudgementCache::keep(Set& set, std::uint64_t hash, std::unique_ptr<const Entry> entry) {
    const std::size_t bytes = entry->bytes();
    if (bytes > limits::kJudgementCacheEntryBytesMax) {
        return;
    }
    Place& place = oldest(set);
    drop(place);
    while (bytes_ + bytes > limits::kJudgementCacheBytesMax) {
        drop(oldest_kept(sets_[hand_]));
        hand_ = (hand_ + 1) % kSets;
    }
    place = {.hash = hash, .used = ++clock_, .entry = std::move(entry)};
    ++entries_;
    bytes_ += bytes;
}

void JudgementCache::drop(Place& place) {
    if (place.entry) {
        --entries_;
        bytes_ -= place.entry->bytes();
        place = {};
    }
}

JudgementCache::Place& JudgementCache::oldest(Set& set) {
    return *std::min_element(set.begin(), set.end(),
                             [](const Place& a, const Place& b) { return a.used < b.used; });
}

JudgementCache::Place& JudgementCache::oldest_kept(Set& set) {
    return *std::min_element(set.begin(), set.end(), [](const Place& a, const Place& b) {
        return a.entry && (!b.entry || a.used < b.used);
    });
}

bool JudgementCache::met(std::uint64_t hash) {
    std::uint64_t& last = met_[(hash >> 40U) % met_.size()];
    return std::exchange(last, hash) == hash;
}

}  // namespace vitrine::parser
