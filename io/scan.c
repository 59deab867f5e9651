// SPDX-License-Identifier: Apache-2.0
#include "io/scan.h"

#include "io/number.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

io_scan io_scan_new(const char *name, const void *bytes, size_t count, tn_error *err) {
    const uint8_t *start = bytes;
    size_t mark = count >= 3 && !memcmp(start, "\xef\xbb\xbf", 3) ? 3 : 0;
    return (io_scan){
        .name = name, .start = start, .at = start + mark, .end = start + count, .err = err};
}

void io_scan_fail(io_scan *s, tn_status status, const char *format, ...) {
    if (s->status != TN_OK) return;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    s->status = tn_fail(s->err, status, "%s: %s", s->name, text);
}

static void describe(const io_scan *s, const uint8_t *at, char text[32]) {
    if (at >= s->end)
        snprintf(text, 32, "the end of the file");
    else if (*at > ' ' && *at < 127)
        snprintf(text, 32, "'%c'", *at);
    else
        snprintf(text, 32, "byte 0x%02x", *at);
}

const char *io_scan_not_json(const void *at, const void *end) {
    static const struct {
        const char *word, *advice;
    } words[] = {
#define BY_PYTHON "is not JSON; Python's json.dump writes it for a float that is "
#define INSTEAD "; write a number, or leave the member out"
        {"NaN", "NaN " BY_PYTHON "not a number" INSTEAD},
        {"Infinity", "Infinity " BY_PYTHON "infinite" INSTEAD},
        {"-Infinity", "-Infinity " BY_PYTHON "infinite" INSTEAD},
    };
    size_t left = (size_t)((const char *)end - (const char *)at);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i].word);
        if (left >= length && !memcmp(at, words[i].word, length)) return words[i].advice;
    }
    return NULL;
}

void io_scan_expected(io_scan *s, const uint8_t *at, const char *format, ...) {
    if (s->status != TN_OK) return;
    char what[300], there[32];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    size_t line = 1;
    for (const uint8_t *p = s->start; p < at; p++) line += *p == '\n';
    const char *advice = io_scan_not_json(at, s->end);
    if (advice) {
        io_scan_fail(s, TN_EFORMAT, "line %zu, byte %zu: %s (expected %s)", line,
                     (size_t)(at - s->start), advice, what);
        return;
    }
    describe(s, at, there);
    io_scan_fail(s, TN_EFORMAT, "line %zu, byte %zu: %s, expected %s", line,
                 (size_t)(at - s->start), there, what);
}

static inline void skip_space(io_scan *s) {
    while (s->at < s->end && *s->at <= ' ' &&
           (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
}

char io_scan_peek(io_scan *s) {
    if (s->status != TN_OK) return 0;
    skip_space(s);
    return s->at < s->end ? (char)*s->at : 0;
}

void io_scan_enter(io_scan *s, char open) {
    if (io_scan_peek(s) != open) {
        io_scan_expected(s, s->at, open == '{' ? "an object" : "an array");
    } else if (s->depth == IO_SCAN_DEPTH) {
        io_scan_expected(s, s->at, "at most %d levels", IO_SCAN_DEPTH);
    } else {
        s->at++;
        s->depth++;
        s->first = true;
    }
}

// Moves to the next member. False at the end, which is consumed.
static bool next(io_scan *s, char close) {
    char there = io_scan_peek(s);
    if (s->status != TN_OK) return false;
    if (there == close) {
        s->at++;
        s->depth--;
        s->first = false;
        return false;
    }
    if (s->first) {
        s->first = false;
        return true;
    }
    if (there != ',') {
        io_scan_expected(s, s->at, "',' or '%c'", close);
        return false;
    }
    s->at++;
    return true;
}

bool io_scan_item(io_scan *s) {
    return next(s, ']');
}

bool io_scan_key(io_scan *s, io_slice *key) {
    if (!next(s, '}')) return false;
    if (io_scan_peek(s) != '"') {
        io_scan_expected(s, s->at, "a key in quotes");
        return false;
    }
    bool escapes;
    io_scan_string(s, key, &escapes);
    if (s->status == TN_OK && escapes && key->length < sizeof s->key)
        *key = (io_slice){s->key, io_scan_decode(*key, s->key)};
    if (io_scan_peek(s) != ':') {
        io_scan_expected(s, s->at, "':'");
        return false;
    }
    s->at++;
    return true;
}

// Length of a character of two bytes or more; 0 if it is not UTF-8 (overlong, surrogate, truncated,
// too large).
static size_t utf8_length(const uint8_t *p, const uint8_t *end) {
    size_t left = (size_t)(end - p), n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
    if (*p < 0xc2 || *p > 0xf4 || left < n) return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
        (*p == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

static int hex(uint8_t c) {
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

// The value of the four digits after \u, or -1.
static int unit(const uint8_t *p, const uint8_t *end) {
    if (end - p < 4) return -1;
    int value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex(p[i]);
        if (digit < 0) return -1;
        value = value << 4 | digit;
    }
    return value;
}

// The length of the escape at p, which points to a backslash; 0 if it is invalid.
static size_t escape_length(const uint8_t *p, const uint8_t *end) {
    if (end - p < 2) return 0;
    if (p[1] != 'u') return memchr("\"\\/bfnrt", p[1], 8) ? 2 : 0;
    int high = unit(p + 2, end);
    if (high < 0 || (high >= 0xdc00 && high < 0xe000)) return 0;
    if (high < 0xd800 || high >= 0xe000) return 6;
    if (end - p < 12 || p[6] != '\\' || p[7] != 'u') return 0;
    int low = unit(p + 8, end);
    return low >= 0xdc00 && low < 0xe000 ? 12 : 0;
}

// Skips eight bytes at a time while they are ASCII without quotes, backslashes and control
// characters.
static const uint8_t *plain_run(const uint8_t *p, const uint8_t *end) {
    const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    while (end - p >= 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        uint64_t quote = v ^ ones * '"', slash = v ^ ones * '\\';
        uint64_t odd = (quote - ones) | (slash - ones) | (v - ones * ' ') | v;
        if (odd & tops) break;
        p += 8;
    }
    while (p < end && *p >= ' ' && *p < 128 && *p != '"' && *p != '\\') p++;
    return p;
}

void io_scan_string(io_scan *s, io_slice *out, bool *escapes) {
    *out = (io_slice){"", 0};
    *escapes = false;
    if (io_scan_peek(s) != '"') {
        io_scan_expected(s, s->at, "a string");
        return;
    }
    const uint8_t *from = s->at + 1, *p = from;
    for (;;) {
        p = plain_run(p, s->end);
        if (p >= s->end || *p < ' ') {
            io_scan_expected(s, p, "the rest of a string");
            return;
        }
        if (*p == '"') break;
        size_t n = *p == '\\' ? escape_length(p, s->end) : utf8_length(p, s->end);
        if (n == 0) {
            io_scan_expected(s, p, *p == '\\' ? "a whole escape" : "valid UTF-8");
            return;
        }
        *escapes |= *p == '\\';
        p += n;
    }
    *out = (io_slice){(const char *)from, (size_t)(p - from)};
    s->at = p + 1;
}

static size_t put_utf8(uint32_t c, char *to) {
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6) to[i] = (char)(0x80 | (c & 63));
    to[0] = (char)(lead[n] | c);
    return n;
}

size_t io_scan_decode(io_slice raw, char *to) {
    const uint8_t *p = (const uint8_t *)raw.text, *end = p + raw.length;
    size_t n = 0;
    while (p < end) {
        if (*p != '\\') {
            to[n++] = (char)*p++;
            continue;
        }
        static const char from[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
        if (p[1] != 'u') {
            to[n++] = meant[strchr(from, p[1]) - from];
            p += 2;
            continue;
        }
        uint32_t c = (uint32_t)unit(p + 2, end);
        p += 6;
        if (c >= 0xd800 && c < 0xdc00) {
            c = 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)unit(p + 2, end) - 0xdc00);
            p += 6;
        }
        n += put_utf8(c, to + n);
    }
    return n;
}

typedef struct decimal {
    uint64_t digits; // without the decimal point; exact only if !many
    int64_t exponent;
    bool negative, whole, many;
} decimal;

static inline bool is_digit(const uint8_t *p, const uint8_t *end) {
    return p < end && (uint8_t)(*p - '0') < 10;
}

static const uint8_t *digits_of(const uint8_t *p, const uint8_t *end, decimal *d) {
    for (; is_digit(p, end); p++) {
        if (d->digits >= 1000000000000000000u)
            d->many = true;
        else
            d->digits = d->digits * 10 + (uint64_t)(*p - '0');
    }
    return p;
}

// NULL if the exponent has no digits.
static const uint8_t *exponent_of(const uint8_t *p, const uint8_t *end, decimal *d) {
    bool minus = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (!is_digit(p, end)) return NULL;
    int64_t value = 0;
    for (; is_digit(p, end); p++)
        if (value < 100000) value = value * 10 + (*p - '0');
    d->exponent += minus ? -value : value;
    return p;
}

// The end of the number at p, or NULL.
static const uint8_t *decimal_of(const uint8_t *p, const uint8_t *end, decimal *d) {
    *d = (decimal){.whole = true};
    if (p < end && *p == '-') d->negative = true, p++;
    if (!is_digit(p, end)) return NULL;
    const uint8_t *first = p;
    p = digits_of(p, end, d);
    if (*first == '0' && p - first > 1) return NULL;
    if (p < end && *p == '.') {
        const uint8_t *point = ++p;
        p = digits_of(p, end, d);
        if (p == point) return NULL;
        d->exponent = point - p;
        d->whole = false;
    }
    if (p < end && (*p | 32) == 'e') {
        p = exponent_of(p + 1, end, d);
        d->whole = false;
    }
    return p;
}

// Exact if digits and power of ten are doubles: one rounding (Clinger, "How to read floating point
// numbers accurately", PLDI 1990).
static double value_of(const decimal *d, const uint8_t *from, const uint8_t *to) {
    static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    if (d->many || d->digits > (uint64_t)1 << 53 || d->exponent < -22 || d->exponent > 22)
        return io_number_parse((const char *)from, (size_t)(to - from));
    double value = (double)d->digits;
    value = d->exponent < 0 ? value / power[-d->exponent] : value * power[d->exponent];
    return d->negative ? -value : value;
}

// Fast path for nearly all numbers of these files: up to 15 digits, with or without a decimal
// point, and not at the end of the file. False: another form, nothing was read.
static inline bool simple_number(io_scan *s, double *out) {
    const uint8_t *p = s->at;
    if (s->end - p < 24) return false;
    bool negative = *p == '-';
    p += negative;
    const uint8_t *first = p;
    if (*p == '0' && p[1] != '.') return false;
    uint64_t digits = 0;
    while ((uint8_t)(*p - '0') < 10 && p - first < 16)
        digits = digits * 10 + (uint64_t)(*p++ - '0');
    int places = 0;
    if (p == first) return false;
    if (*p == '.') {
        const uint8_t *point = ++p;
        while ((uint8_t)(*p - '0') < 10 && p - first < 17)
            digits = digits * 10 + (uint64_t)(*p++ - '0');
        places = (int)(p - point);
        if (places == 0) return false;
    }
    if (p - first > 16 || (*p != ',' && *p != ']' && *p != '}' && *p != ' ')) return false;
    static const double power[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    double value = (double)digits / power[places];
    *out = negative ? -value : value;
    s->at = p;
    return true;
}

static bool scan_decimal(io_scan *s, decimal *d, double *value, const char *what) {
    io_scan_peek(s);
    if (s->status != TN_OK) return false;
    const uint8_t *from = s->at, *to = decimal_of(from, s->end, d);
    if (!to || to - from > 1000) {
        io_scan_expected(s, from, "%s", to ? "a number of at most 1000 characters" : what);
        return false;
    }
    *value = value_of(d, from, to);
    s->at = to;
    return true;
}

void io_scan_number(io_scan *s, double *out) {
    decimal d;
    double value;
    const uint8_t *from = (io_scan_peek(s), s->at);
    if (s->status != TN_OK || simple_number(s, out)) return;
    if (!scan_decimal(s, &d, &value, "a number")) return;
    if (isfinite(value))
        *out = value;
    else
        io_scan_expected(s, from, "a number that a double can hold");
}

void io_scan_integer(io_scan *s, int64_t *out) {
    decimal d;
    double value;
    const uint8_t *from = (io_scan_peek(s), s->at);
    if (!scan_decimal(s, &d, &value, "an integer")) return;
    if (d.whole && !d.many && d.digits <= INT64_MAX)
        *out = d.negative ? -(int64_t)d.digits : (int64_t)d.digits;
    else if (fabs(value) <= 0x1p53 && value == rint(value))
        *out = (int64_t)value;
    else
        io_scan_expected(s, from, "an integer");
}

static bool take_word(io_scan *s, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(s->end - s->at) < n || memcmp(s->at, word, n) != 0) return false;
    s->at += n;
    return true;
}

void io_scan_flag(io_scan *s, bool *out) {
    char there = io_scan_peek(s);
    const uint8_t *from = s->at;
    if (there == 't' && take_word(s, "true")) {
        *out = true;
    } else if (there == 'f' && take_word(s, "false")) {
        *out = false;
    } else {
        int64_t value = -1;
        if (there >= '0' && there <= '9') io_scan_integer(s, &value);
        if (value != 0 && value != 1) io_scan_expected(s, from, "0 or 1");
        *out = value == 1;
    }
}

void io_scan_skip(io_scan *s) {
    char there = io_scan_peek(s);
    io_slice text;
    bool escapes;
    double number;
    switch (there) {
    case '{':
        for (io_scan_enter(s, '{'); io_scan_key(s, &text);) io_scan_skip(s);
        break;
    case '[':
        for (io_scan_enter(s, '['); io_scan_item(s);) io_scan_skip(s);
        break;
    case '"':
        io_scan_string(s, &text, &escapes);
        break;
    case 't':
    case 'f':
    case 'n':
        if (!take_word(s, there == 't' ? "true" : there == 'f' ? "false" : "null"))
            io_scan_expected(s, s->at, "a value");
        break;
    default:
        if (there == '-' || (there >= '0' && there <= '9'))
            io_scan_number(s, &number);
        else
            io_scan_expected(s, s->at, "a value");
    }
}

void io_scan_end(io_scan *s) {
    if (io_scan_peek(s) != 0 || s->at < s->end) io_scan_expected(s, s->at, "the end of the file");
}
