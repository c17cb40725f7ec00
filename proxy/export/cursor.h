// How far a target has been served: of each file of the log, the last record that is known to have
// arrived (docs/export.md, "The cursor"). It only ever lags behind, so that what is not known to
// have arrived is sent again.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/audit/append_file.h"

namespace vitrine::exports {

// Of one file: behind which record to go on.
struct Place {
    std::uint64_t bytes = 0;  // where the next record begins
    std::uint64_t seq = 0;    // of the last one that arrived
    std::string hash;         // the same one's; by it a file that was exchanged is noticed
    bool removed = false;     // the ledger says so, and all of it has arrived

    friend bool operator==(const Place&, const Place&) = default;
};

struct Cursor {
    std::string target;
    // Of the ledger when this cursor was made: what was removed before is not this target's loss.
    std::uint64_t born = 0;
    // By name as "alice/2026-11-24.jsonl": those that are not done with for good.
    std::map<std::string, Place, std::less<>> files;
    // By the user's directory: up to this day all is done, and nothing is written any more.
    std::map<std::string, std::string, std::less<>> through;

    // Records, since the cursor was made.
    std::uint64_t sent = 0;
    std::uint64_t shortened = 0;
    std::uint64_t rejected = 0;  // the target would not have them, and said so
    std::uint64_t lost = 0;      // removed from the log before they could be sent
    std::uint64_t replaced = 0;  // files that were found exchanged, and begun anew

    // What keeps it from going on, and since when; empty: nothing.
    std::string trouble;
    std::string trouble_since;
};

// Nothing where there is no such file; an error, one sentence, where it is none of ours.
struct LoadedCursor {
    std::optional<Cursor> cursor;
    std::string error;
};
[[nodiscard]] LoadedCursor load_cursor(const std::filesystem::path& file, std::string_view target);

// On the disk when it returns: in place of the old one, or the old one still stands.
[[nodiscard]] boost::system::result<void> save_cursor(const std::filesystem::path& file,
                                                      const Cursor& cursor);

// One exporter a target: FILE.lock, held as long as the descriptor is open. Makes the directory.
// errc::resource_unavailable_try_again: another one has it.
[[nodiscard]] boost::system::result<audit::Descriptor> lock_cursor(
    const std::filesystem::path& file);

}  // namespace vitrine::exports
