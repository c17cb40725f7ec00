// What proxy/session/rewriting.h declares, for a vitrine that judges and records as ever and then
// sends the client's own text. Only test_tripwire.py runs it.
#include "proxy/session/rewriting.h"

namespace vitrine::session {

std::shared_ptr<const parser::Judgement> as_sent(std::shared_ptr<const parser::Judgement> judged) {
    auto judgement = std::make_shared<parser::Judgement>(*judged);
    judgement->forwarded.reset();
    judgement->positions = {};
    for (auto& statement : judgement->statements) {
        statement.forwarded.reset();
    }
    const std::size_t allowed = judgement->first_refused();
    judgement->forwarded_size = allowed == 0 ? 0
                                             : judgement->statements[allowed - 1].begin +
                                                   judgement->statements[allowed - 1].size;
    return judgement;
}

std::string_view missing_defence() {
    return "TEST BUILD WITHOUT REWRITING: NOTHING IS MASKED. Never run it in front of data that "
           "matters.";
}

}  // namespace vitrine::session
