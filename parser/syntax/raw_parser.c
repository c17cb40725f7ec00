/* See raw_parser.h. */

#define _GNU_SOURCE /* sigjmp_buf */
#include <stdlib.h>

/*
 * libpg_query declares these __thread; PostgreSQL's headers declare them as plain globals. Let the
 * headers declare other names, which nothing uses, and declare the true ones below.
 */
#define PG_exception_stack vitrine_unused_exception_stack
#define error_context_stack vitrine_unused_context_stack
#define CurrentMemoryContext vitrine_unused_current_context
#define TopMemoryContext vitrine_unused_top_context
#define ErrorContext vitrine_unused_error_context

#include "postgres.h"

#include "nodes/nodeFuncs.h"
#include "nodes/pg_list.h"
#include "parser/parser.h"
#include "parser/scanner.h"
#include "parser/scansup.h"
#include "utils/elog.h"
#include "utils/memutils.h"

#undef PG_exception_stack
#undef error_context_stack
#undef CurrentMemoryContext
#undef TopMemoryContext
#undef ErrorContext

extern __thread sigjmp_buf* PG_exception_stack;
extern __thread ErrorContextCallback* error_context_stack;
extern __thread MemoryContext CurrentMemoryContext;
extern __thread MemoryContext TopMemoryContext;

#define VITRINE_SERVER_MAJORVERSION PG_MAJORVERSION_NUM
#undef PG_MAJORVERSION
#undef PG_VERSION
#undef PG_VERSION_NUM
#include "pg_query.h"
_Static_assert(PG_VERSION_NUM / 10000 == VITRINE_SERVER_MAJORVERSION,
               "libpg_query and PostgreSQL's headers must be of the same major version");
_Static_assert(VITRINE_SERVER_MAJORVERSION == 15, "the node kinds are judged as of PostgreSQL 15");

/* pg_query_internal.h, which cannot be included beside the renaming above. */
extern MemoryContext pg_query_enter_memory_context(void);
extern void pg_query_exit_memory_context(MemoryContext context);

#include "parser/syntax/raw_parser.h"

/* Of an error that was just caught, in the memory context that is current. */
static void take_error(VitrineParse* result) {
    ErrorData* error = CopyErrorData();
    int code = error->sqlerrcode;
    for (int i = 0; i < 5; i++) {
        result->sqlstate[i] = (char)PGUNSIXBIT(code);
        code >>= 6;
    }
    result->sqlstate[5] = '\0';
    result->failed = 1;
    result->tree = NULL;
    result->message = error->message ? error->message : "syntax error";
    result->detail = error->detail;
    result->hint = error->hint;
    result->cursor = error->cursorpos;
    FlushErrorState();
}

void vitrine_parse(const char* sql, VitrineParse* result) {
    MemoryContext volatile context = NULL;
    *result = (VitrineParse){0};
    pg_query_init();
    PG_TRY();
    {
        context = pg_query_enter_memory_context();
        result->tree = raw_parser(sql, RAW_PARSE_DEFAULT);
    }
    PG_CATCH();
    {
        if (context != NULL) {
            CurrentMemoryContext = context;
            take_error(result);
        } else {
            result->failed = 1;
            FlushErrorState();
        }
    }
    PG_END_TRY();
    result->context = context;
}

void vitrine_parse_free(VitrineParse* result) {
    if (result->context != NULL)
        pg_query_exit_memory_context((MemoryContext)result->context);
    *result = (VitrineParse){0};
}

/* libpg_query's own addition to the scanner: comments come as tokens. */
enum { kTokenSqlComment = 275, kTokenCComment = 276 };

struct VitrineScanner {
    core_yyscan_t scanner;
    /* libpg_query's core_yy_extra_type has one more int at its end than PostgreSQL's. */
    union {
        core_yy_extra_type extra;
        char room[sizeof(core_yy_extra_type) + 64];
    } extra;
    MemoryContext context;
    const char* sql;
    int ended;
    int comments;
    int has_pending;
    VitrineToken pending;
};

VitrineScanner* vitrine_scanner_open(const char* sql) {
    VitrineScanner* volatile scanner = calloc(1, sizeof *scanner);
    if (scanner == NULL)
        return NULL;
    MemoryContext volatile before = NULL;
    int volatile opened = 0;
    scanner->sql = sql;
    pg_query_init();
    before = CurrentMemoryContext;
    PG_TRY();
    {
        scanner->context = pg_query_enter_memory_context();
        scanner->scanner =
            scanner_init(sql, &scanner->extra.extra, &ScanKeywords, ScanKeywordTokens);
        opened = 1;
    }
    PG_CATCH();
    { FlushErrorState(); }
    PG_END_TRY();
    if (!opened && scanner->context != NULL)
        pg_query_exit_memory_context(scanner->context);
    CurrentMemoryContext = before;
    if (!opened) {
        free(scanner);
        return NULL;
    }
    return scanner;
}

void vitrine_scanner_keep_comments(VitrineScanner* scanner) {
    scanner->comments = 1;
}

static int owns_string(int code) {
    /* IDENT … Op: the scanner made a copy of the text; a keyword's is static. */
    return code >= kTokenIdentifier && code <= kTokenOperator;
}

size_t vitrine_scanner_read(VitrineScanner* scanner, VitrineToken* tokens, size_t max) {
    size_t volatile count = 0;
    MemoryContext before = CurrentMemoryContext;
    if (scanner->ended)
        return 0;
    CurrentMemoryContext = scanner->context;
    PG_TRY();
    {
        while (count + 1 < max) {
            core_YYSTYPE value = {0};
            YYLTYPE location = 0;
            int code = core_yylex(&value, &location, scanner->scanner);
            if (owns_string(code))
                pfree(value.str);
            if (scanner->has_pending) {
                /* Between two tokens (comments are tokens here) stands white space alone. */
                int end = location;
                while (end > scanner->pending.begin + 1 && scanner_isspace(scanner->sql[end - 1]))
                    end--;
                scanner->pending.end = end;
                tokens[count] = scanner->pending;
                count = count + 1;
                scanner->has_pending = 0;
            }
            if (code == 0) {
                scanner->ended = 1;
                break;
            }
            if (code == kTokenSqlComment || code == kTokenCComment) {
                if (!scanner->comments)
                    continue;
                code = kTokenComment;
            }
            scanner->pending = (VitrineToken){location, location, code};
            scanner->has_pending = 1;
        }
    }
    PG_CATCH();
    {
        scanner->ended = 1;
        CurrentMemoryContext = scanner->context;
        FlushErrorState();
    }
    PG_END_TRY();
    CurrentMemoryContext = before;
    return count;
}

void vitrine_scanner_close(VitrineScanner* scanner) {
    if (scanner == NULL)
        return;
    MemoryContext before = CurrentMemoryContext;
    pg_query_exit_memory_context(scanner->context);
    CurrentMemoryContext = before;
    free(scanner);
}

static bool collect(Node* node, void* context) {
    VitrineChildren* children = context;
    if (node == NULL)
        return false;
    if (children->count == children->capacity) {
        size_t capacity = children->capacity == 0 ? 64 : children->capacity * 2;
        const Node** items = realloc((void*)children->items, capacity * sizeof *items);
        if (items == NULL) {
            children->failed = 1;
            return true;
        }
        children->items = (const struct Node**)items;
        children->capacity = capacity;
    }
    children->items[children->count++] = (const struct Node*)node;
    return false;
}

void vitrine_children(const struct Node* node, VitrineChildren* children) {
    PG_TRY();
    { raw_expression_tree_walker((Node*)(uintptr_t)node, (bool (*)())collect, children); }
    PG_CATCH();
    {
        children->failed = 1;
        FlushErrorState();
    }
    PG_END_TRY();
}
