#include <algorithm>
#include <atomic>
#include <boost/json.hpp>
#include <ostream>
#include <thread>

#include "proxy/audit/log_files.h"
#include "proxy/audit/names.h"
#include "proxy/audit/reader.h"
#include "proxy/audit/signing.h"
#include "proxy/audit/terminal_text.h"
#include "proxy/audit/verify_anchor.h"
#include "proxy/audit/verify_file.h"
#include "proxy/audit/verify_ledger.h"

namespace vitrine::audit {

namespace json = boost::json;

namespace {

// How far a record may be ahead of the last checkpoint. The writer takes no more after two seconds
// (query_log.cpp); the rest is for a slow disk and a clock that is set.
constexpr std::chrono::seconds kLagMax{5};

struct ToVerify {
    LogFile file;
    const FileClaims* claims = nullptr;
    FileVerdict verdict;
};

void verify_all(const std::filesystem::path& directory, std::vector<ToVerify>& files, bool live) {
    // The largest first, so that no core waits for the last one.
    std::sort(files.begin(), files.end(), [](const ToVerify& a, const ToVerify& b) {
        return a.file.size != b.file.size ? a.file.size > b.file.size : a.file.name < b.file.name;
    });
    std::atomic<std::size_t> next = 0;
    const auto work = [&] {
        for (std::size_t i = next++; i < files.size(); i = next++) {
            ToVerify& one = files[i];
            one.verdict = verify_file(directory, one.file, one.claims, live);
        }
    };
    const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
    std::vector<std::thread> others;
    for (std::size_t i = 1; i < std::min(cores, files.size()); ++i) {
        others.emplace_back(work);
    }
    work();
    for (std::thread& other : others) {
        other.join();
    }
}

// Records that no checkpoint covers, though one must have been written since.
void find_unvouched(const std::filesystem::path& directory, const LedgerStory& ledger,
                    std::vector<ToVerify>& files) {
    auto latest = ledger.last_time;
    for (const ToVerify& one : files) {
        const auto last = one.verdict.unvouched_last;
        if (last && (!latest || *last > *latest)) {
            latest = last;
        }
    }
    for (ToVerify& one : files) {
        FileVerdict& verdict = one.verdict;
        if (verdict.unvouched == 0) {
            continue;
        }
        const std::string count = std::to_string(verdict.unvouched) + " record(s) from here on ";
        if (ledger.closed) {
            verdict.broken.push_back(
                {directory / one.file.name, verdict.unvouched_line,
                 count + "are not in the ledger, which was closed: they were added later"});
        } else if (latest && *latest - *verdict.unvouched_first > kLagMax) {
            verdict.broken.push_back({directory / one.file.name, verdict.unvouched_line,
                                      count + "are not in the ledger: they were added, or the "
                                              "ledger's end was cut off"});
        }
    }
}

// A file that is listed, and gone when it is read: retention may have come between.
void forgive_removed(const std::filesystem::path& directory, const std::vector<VerifyingKey>& keys,
                     std::vector<ToVerify>& files) {
    if (std::none_of(files.begin(), files.end(),
                     [](const ToVerify& one) { return one.verdict.gone; })) {
        return;
    }
    const LedgerStory now = read_ledger(directory, keys);
    for (ToVerify& one : files) {
        const auto claims = now.files.find(one.file.name);
        if (one.verdict.gone && claims != now.files.end() && claims->second.removed) {
            one.verdict = {};
        }
    }
}

void append(std::vector<Finding>& all, std::vector<Finding>& more) {
    all.insert(all.end(), std::make_move_iterator(more.begin()),
               std::make_move_iterator(more.end()));
}

void sort(std::vector<Finding>& findings) {
    std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) {
        return a.file != b.file ? a.file < b.file : a.line < b.line;
    });
}

int status_of(const Verified& verified) {
    if (!verified.broken.empty()) {
        return 1;
    }
    return verified.not_checkable.empty() ? 0 : 2;
}

std::string_view word_for(int status) {
    switch (status) {
        case 0:
            return "ok";
        case 1:
            return "broken";
        default:
            return "could not be checked";
    }
}

json::array to_json(const std::vector<Finding>& findings) {
    json::array list;
    for (const Finding& finding : findings) {
        list.push_back({{"file", valid_utf8(finding.file.string())},
                        {"line", finding.line},
                        {"message", valid_utf8(finding.message)}});
    }
    return list;
}

void print(const Finding& finding, std::ostream& out) {
    out << printable(finding.file.string()) << ':';
    if (finding.line > 0) {
        out << finding.line << ':';
    }
    out << ' ' << printable(finding.message) << '\n';
}

}  // namespace

Verified verify(const std::filesystem::path& directory, std::string_view public_key_pem,
                const std::filesystem::path& anchor) {
    Verified verified;
    if (!anchor.empty()) {
        AnchorVerdict verdict = verify_anchor(directory, anchor);
        append(verified.broken, verdict.broken);
        append(verified.not_checkable, verdict.not_checkable);
    }
    const auto keys = load_public_keys(public_key_pem);
    if (keys.empty() && !public_key_pem.empty()) {
        verified.not_checkable.push_back(
            {directory, 0,
             "the public key is not an Ed25519 key in PEM; make it with `openssl pkey -in KEY "
             "-pubout`"});
    }
    // The files before the ledger: what is seen of them now is in the ledger that is read then, but
    // for the last moment.
    auto listed = list_log_files(directory);
    append(verified.broken, listed.broken);
    append(verified.not_checkable, listed.not_checkable);
    LedgerStory ledger = read_ledger(directory, keys);
    append(verified.broken, ledger.broken);
    append(verified.not_checkable, ledger.not_checkable);
    verified.checkpoints = ledger.checkpoints;
    verified.signatures_checked = ledger.signatures_checked;

    if (!ledger.is_there) {
        if (listed.files.empty()) {
            // Some other directory: what stands in it is none of our business.
            if (anchor.empty()) {
                verified.broken.clear();
            }
            verified.not_checkable.push_back({directory, 0, "there is no query log here"});
            return verified;
        }
        verified.broken.push_back({directory / kLedgerName, 0,
                                   "the ledger is gone; without it, a missing file or a cut end "
                                   "cannot be found"});
    }
    std::vector<ToVerify> files;
    for (const LogFile& file : listed.files) {
        const auto claims = ledger.files.find(file.name);
        if (claims != ledger.files.end()) {
            files.push_back({file, &claims->second, {}});
        } else if (file.size > 0) {
            if (ledger.is_there) {
                verified.broken.push_back(
                    {directory / file.name, 0, "the ledger does not know this file"});
            }
            files.push_back({file, nullptr, {}});
        }
    }
    for (const auto& [name, claims] : ledger.files) {
        if (listed.has(name)) {
            continue;
        }
        if (claims.removed) {
            ++verified.removed;
        } else {
            files.push_back({{.name = name}, &claims, {}});
        }
    }
    verify_all(directory, files, !ledger.closed);
    find_unvouched(directory, ledger, files);
    if (!ledger.closed) {
        forgive_removed(directory, keys, files);
    }
    for (ToVerify& one : files) {
        append(verified.broken, one.verdict.broken);
        append(verified.not_checkable, one.verdict.not_checkable);
        verified.records += one.verdict.records;
    }
    verified.files = listed.files.size();
    sort(verified.broken);
    sort(verified.not_checkable);
    return verified;
}

int verify_directory(const std::filesystem::path& directory, std::string_view public_key_pem,
                     Format format, std::ostream& out, std::ostream& err,
                     const std::filesystem::path& anchor) {
    const Verified verified = verify(directory, public_key_pem, anchor);
    const int status = status_of(verified);
    if (format == Format::kJson) {
        const json::object answer{
            {"verdict", word_for(status)},
            {"files", verified.files},
            {"records", verified.records},
            {"removed", verified.removed},
            {"checkpoints", verified.checkpoints},
            {"signatures_checked", verified.signatures_checked},
            {"broken", to_json(verified.broken)},
            {"not_checkable", to_json(verified.not_checkable)},
        };
        out << json::serialize(answer) << '\n';
        return status;
    }
    for (const Finding& finding : verified.broken) {
        print(finding, err);
    }
    for (const Finding& finding : verified.not_checkable) {
        print(finding, err);
    }
    Table table({"files", "removed", "records", "checkpoints", "signatures", "verdict"});
    table.row({std::to_string(verified.files), std::to_string(verified.removed),
               std::to_string(verified.records), std::to_string(verified.checkpoints),
               verified.signatures_checked ? "checked" : "not checked",
               std::string(word_for(status))});
    table.print(out);
    return status;
}

}  // namespace vitrine::audit
