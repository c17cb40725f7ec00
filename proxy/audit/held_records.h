// Records that wait a moment for the next one of their user, so that the two share a write(2)
// (docs/query-log.md, "Writing"): results, which nobody acts upon. Whose next record does not come
// is written by a thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "proxy/audit/trails.h"

namespace vitrine::audit {

class HeldRecords {
  public:
    // Writes what is held of a trail, or drops it; under the trail's lock.
    using Write = std::function<void(Trail&)>;

    explicit HeldRecords(Write write);
    ~HeldRecords();  // writes what is there
    HeldRecords(const HeldRecords&) = delete;
    HeldRecords& operator=(const HeldRecords&) = delete;

    // There are some of that trail. Under its lock.
    void add(const TrailPointer& trail);
    // Those that are there, now. Not under a trail's lock.
    void write();

  private:
    void run();

    const Write write_;
    std::mutex writing_;  // before any trail's
    std::mutex mutex_;    // guards what follows, behind any trail's
    std::condition_variable wakes_;
    std::vector<TrailPointer> trails_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace vitrine::audit
