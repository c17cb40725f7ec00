#include "proxy/audit/html.h"

#include <ostream>

#include "proxy/audit/chain.h"
#include "proxy/audit/json_text.h"
#include "proxy/audit/terminal_text.h"

namespace vitrine::audit {

namespace {

// Each text is isolated: letters that run from right to left stay within it.
constexpr std::string_view kStyle = R"(
body { font: 15px/1.45 system-ui, sans-serif; color: #1b1b1b; background: #fff; margin: 2em auto;
       max-width: 75em; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 1.8em; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3em .7em .3em 0;
         border-bottom: 1px solid #ddd; unicode-bidi: isolate; overflow-wrap: anywhere; }
.facts { width: auto; } .facts th { font-weight: 600; white-space: nowrap; }
pre, code { font: 13px/1.4 ui-monospace, monospace; }
pre { margin: .3em 0; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate;
      background: #f5f5f5; border-left: 3px solid #ccc; padding: .4em .7em; }
section { margin: 1em 0; break-inside: avoid; }
section > p { margin: .2em 0; }
.reject { border-left: 4px solid #b00020; padding-left: .8em; }
.verdict-reject { color: #b00020; font-weight: 600; }
.time { color: #555; font-variant-numeric: tabular-nums; white-space: nowrap; }
.warning { border: 1px solid #b00020; padding: .5em .8em; }
@media print { body { margin: 0; max-width: none; font-size: 10pt; }
               pre, code { font-size: 8.5pt; } thead { display: table-header-group; } }
)";

std::string style_hash() {
    Sha256 sha;
    std::string text;
    append_base64(text, from_hex(sha.of(kStyle).view()));
    return text;
}

}  // namespace

std::string html_text(std::string_view text) {
    std::string safe;
    for (const char c : printable(text)) {
        switch (c) {
            case '&':
                safe += "&amp;";
                break;
            case '<':
                safe += "&lt;";
                break;
            case '>':
                safe += "&gt;";
                break;
            case '"':
                safe += "&quot;";
                break;
            case '\'':
                safe += "&#39;";
                break;
            default:
                safe += c;
        }
    }
    return safe;
}

std::string html_block(std::string_view text) {
    std::string block;
    while (true) {
        const std::size_t end = text.find('\n');
        std::string line;
        for (const char c : text.substr(0, end)) {
            c == '\t' ? line.append("    ") : line.append(1, c);
        }
        block += html_text(line);
        if (end == std::string_view::npos) {
            return block;
        }
        block += '\n';
        text.remove_prefix(end + 1);
    }
}

void begin_page(std::ostream& out, std::string_view title) {
    const std::string shown = html_text(title);
    out << "<!DOCTYPE html>\n<html lang=\"en\" dir=\"ltr\">\n<head>\n<meta charset=\"utf-8\">\n"
        << "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
        << "style-src 'sha256-" << style_hash() << "'; base-uri 'none'; form-action 'none'\">\n"
        << "<meta name=\"referrer\" content=\"no-referrer\">\n"
        << "<meta name=\"viewport\" content=\"width=device-width\">\n<title>" << shown
        << "</title>\n<style>" << kStyle << "</style>\n</head>\n<body>\n<h1>" << shown << "</h1>\n";
}

void end_page(std::ostream& out) {
    out << "</body>\n</html>\n";
}

void print_facts(std::ostream& out, const std::vector<Fact>& facts) {
    out << "<table class=\"facts\">\n";
    for (const Fact& fact : facts) {
        out << "<tr><th scope=\"row\">" << html_text(fact.name) << "</th><td>"
            << (fact.value.empty() ? "none" : html_text(fact.value)) << "</td></tr>\n";
    }
    out << "</table>\n";
}

}  // namespace vitrine::audit
