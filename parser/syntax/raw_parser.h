/*
 * libpg_query's raw parser and scanner, with PostgreSQL's errors turned into values.
 *
 * The C side of the bridge: PostgreSQL reports errors by longjmp, so whatever may raise one runs
 * in raw_parser.c under PG_TRY, where no C++ object is alive. Nothing here calls back into C++.
 *
 * All state is the thread's own (libpg_query keeps its globals in thread-local storage). On one
 * thread, parses and scans nest like brackets: what was opened last is closed first.
 */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct Node;
struct List;

typedef struct VitrineParse {
    void* context;     /* the memory context that holds all below; NULL: out of memory */
    struct List* tree; /* of RawStmt; NULL for an empty text and on failure */
    int failed;
    char sqlstate[6];
    const char* message; /* PostgreSQL's own words */
    const char* detail;  /* or NULL */
    const char* hint;    /* or NULL */
    int cursor;          /* 1-based, in characters; 0: none */
} VitrineParse;

/* `sql` is valid UTF-8, NUL-terminated, and outlives the result. */
void vitrine_parse(const char* sql, VitrineParse* result);
void vitrine_parse_free(VitrineParse* result);

typedef struct VitrineToken {
    int begin;
    int end;  /* offset behind the last byte */
    int code; /* an ASCII character, or one of those below, or a keyword's number */
} VitrineToken;

/* gram.y: these are declared first, so that every user of the scanner agrees about them. */
enum {
    kTokenIdentifier = 258,
    kTokenUnicodeIdentifier = 259,
    kTokenNumber = 260, /* not an integer */
    kTokenStringConstant = 261,
    kTokenUnicodeString = 262,
    kTokenOperator = 265,
    kTokenInteger = 266,
    kTokenParameter = 267,
    kTokenTypecast = 268,
    kTokenComment = 276, /* and of either kind */
    kTokenKeywordMin = 277
};

typedef struct VitrineScanner VitrineScanner;

/* NULL: out of memory. */
VitrineScanner* vitrine_scanner_open(const char* sql);
/* From now on comments are read too, with kTokenComment as their code. */
void vitrine_scanner_keep_comments(VitrineScanner* scanner);
/*
 * The next tokens, comments left out, at most `max` (not less than 2) of them. 0: the end, or a
 * lexical error, at which the parser stops too.
 */
size_t vitrine_scanner_read(VitrineScanner* scanner, VitrineToken* tokens, size_t max);
void vitrine_scanner_close(VitrineScanner* scanner);

typedef struct VitrineChildren {
    const struct Node** items;
    size_t count;
    size_t capacity;
    int failed; /* out of memory, or a node the walker does not know */
} VitrineChildren;

/* raw_expression_tree_walker's children of one node, appended to `children` (malloc'd). */
void vitrine_children(const struct Node* node, VitrineChildren* children);

#ifdef __cplusplus
}
#endif
