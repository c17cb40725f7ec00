// `write_documents DIRECTORY`: writes what is made from the judge's tables there.

#include <cstdio>
#include <exception>
#include <fstream>
#include <string>

#include "tests/parser/documents.h"
#include "tests/parser/function_document.h"

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: write_documents DIRECTORY\n", stderr);
        return 2;
    }
    using namespace vitrine::parser::test;
    struct Document {
        const char* name;
        std::string (*text)();
    };
    for (const Document& document : {Document{"statements.md", statements_document},
                                     Document{"settings.md", settings_document},
                                     Document{"functions.md", functions_document}}) {
        const std::string path = std::string(argv[1]) + "/" + document.name;
        try {
            std::ofstream file(path);
            file << document.text();
            if (!file.flush()) {
                std::fprintf(stderr, "cannot write to %s\n", path.c_str());
                return 2;
            }
        } catch (const std::exception& error) {
            std::fprintf(stderr, "%s: %s\n", path.c_str(), error.what());
            return 2;
        }
    }
    return 0;
}
