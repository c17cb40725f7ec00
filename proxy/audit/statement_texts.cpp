#include "proxy/audit/statement_texts.h"

#include <openssl/evp.h>

#include <string>

namespace vitrine::audit {

namespace {

// Empty where it is no base64.
std::string from_base64(std::string_view text) {
    std::string bytes(text.size() / 4 * 3, '\0');
    const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
    if (size < 0) {
        return {};
    }
    std::size_t padding = 0;
    while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') {
        ++padding;
    }
    bytes.resize(static_cast<std::size_t>(size) - padding);
    return bytes;
}

}  // namespace

void each_searched_text(const Record& record, const std::function<void(std::string_view)>& each) {
    each(record.text("sql"));
    for (const std::string_view name : {"params", "masked"}) {
        const boost::json::value* list = record.find(name);
        if (list == nullptr || !list->is_array()) {
            continue;
        }
        for (const boost::json::value& value : list->get_array()) {
            if (const auto* text = value.if_string()) {
                each({text->data(), text->size()});
            } else if (const auto* object = value.if_object()) {
                each(from_base64(Record(*object).text("base64")));
            }
        }
    }
}

}  // namespace vitrine::audit
