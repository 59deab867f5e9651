// SPDX-License-Identifier: Apache-2.0
// Transformations that do not change the name of a glyph. The rules match parts of names. In doubt
// an object keeps its orientation: a missing mirror image costs nothing, a wrong name does.
#include "train/world/glyphs.h"

#include <string.h>

typedef enum rule {
    UPRIGHT,  // neither mirrored nor rotated far: direction or text is part of its meaning
    SIDED,    // not mirrored: left and right differ, but it may be rotated a little
    MIRRORED, // an exception to a later rule
} rule;

static const struct {
    const char *part;
    rule rule;
} rules[] = {
    // Pointing.
    {"arrow", UPRIGHT},
    {"pointing", UPRIGHT},
    {"pointed", UPRIGHT},
    {"upside-down", UPRIGHT},
    {"thumbs", UPRIGHT},
    {"raised hand", UPRIGHT}, // mirrored it is the raised back of one
    {"raised back of hand", UPRIGHT},
    {"wards hand", UPRIGHT},
    {"magnifying", UPRIGHT},
    {"traffic light", UPRIGHT},
    {"speech balloon", SIDED}, // mirrored it is the left speech bubble
    {"left", SIDED},           // left-facing fist
    {"wards pushing", SIDED},
    {"right-", SIDED},
    {"right anger", SIDED},
    {"palm up", UPRIGHT},
    {"palm down", UPRIGHT},
    {"airplane departure", UPRIGHT},
    {"airplane arrival", UPRIGHT},
    {"outbox", UPRIGHT},
    {"inbox", UPRIGHT},
    // Time, phases, amounts.
    {"clock", UPRIGHT},
    {"-thirty", UPRIGHT},
    {"watch", UPRIGHT},
    {"hourglass", UPRIGHT},
    {"full moon", MIRRORED},
    {"new moon", MIRRORED},
    {"moon cake", MIRRORED},
    {"moon viewing", MIRRORED},
    {"moon", UPRIGHT}, // waxing and waning are mirror images
    {"star and crescent", SIDED},
    {"chart", UPRIGHT}, // increasing and decreasing are mirror images
    {"speaker ", SIDED},
    {"battery", SIDED},
    // Letters, digits, notes and other writing.
    {"button", UPRIGHT},
    {"keycap", UPRIGHT},
    {"input ", UPRIGHT},
    {"ZZZ", UPRIGHT},
    {"hundred points", UPRIGHT},
    {"question mark", UPRIGHT},
    {"exclamation", UPRIGHT},
    {"dollar", SIDED},
    {"yen", SIDED},
    {"euro", SIDED},
    {"pound banknote", SIDED},
    {"currency", UPRIGHT},
    {"money bag", SIDED},
    {"coin", SIDED},
    {"credit card", SIDED},
    {"receipt", SIDED},
    {"label", SIDED},
    {"ATM", UPRIGHT},
    {"ID ", UPRIGHT},
    {"circled M", UPRIGHT},
    {"copyright", UPRIGHT},
    {"registered", UPRIGHT},
    {"trade mark", UPRIGHT},
    {"information", UPRIGHT},
    {"name badge", SIDED},
    {"placard", SIDED},
    {"identification card", SIDED},
    {"medal", SIDED}, // with a digit on it
    {"calendar", SIDED},
    {"card index", SIDED},
    {"newspaper", SIDED},
    {"page facing", SIDED},
    {"scroll", SIDED},
    {"memo", SIDED},
    {"bookmark tabs", SIDED},
    {"e-mail", SIDED},
    {"keyboard", SIDED},
    {"abacus", SIDED},
    {"musical", SIDED},
    {"slot machine", SIDED},
    {"pool 8 ball", UPRIGHT},
    {"joker", SIDED},
    {"mahjong", SIDED},
    {"flower playing cards", SIDED},
    {"dvd", SIDED},
    {"optical disk", SIDED},
    {"floppy disk", SIDED},
    {"computer disk", SIDED},
    {"ticket", SIDED},
    {"stop sign", UPRIGHT},
    {"bus stop", SIDED},
    {"taxi", SIDED},
    {"ambulance", SIDED},
    {"police", SIDED},
    {"fire engine", SIDED},
    {"water closet", UPRIGHT},
    {"no one under", UPRIGHT},
    {"customs", UPRIGHT},
    {"passport", UPRIGHT},
    {"baggage", UPRIGHT},
    {"ballot", SIDED},
    {"post office", SIDED},
    {"hotel", SIDED},
    {"hospital", SIDED},
    {"bank", SIDED},
    {"convenience store", SIDED},
    {"fuel pump", SIDED},
    {"red envelope", SIDED},
    {"lantern", SIDED},
    {"rescue worker", SIDED},
    {"face with symbols", SIDED},
    {"gesturing", SIDED},
    {"Japanese symbol", SIDED},
    {"x-ray", SIDED},
    {"recycling", SIDED},
    // Maps and signs whose mirror image is another object or none.
    {"globe showing", SIDED},
    {"world map", SIDED},
    {"map of", SIDED},
    {"compass", UPRIGHT},
    {"yin yang", UPRIGHT},
    {"om", UPRIGHT}, // matched as the whole name
    {"khanda", UPRIGHT},
    {"atom symbol", UPRIGHT},
    {"check", UPRIGHT}, // its mirror image is not a check mark
    {"part alternation", UPRIGHT},
    {"curly loop", UPRIGHT},
    {"wavy dash", UPRIGHT},
    {"female sign", UPRIGHT},
    {"male sign", UPRIGHT},
    {"transgender", UPRIGHT},
    {"divide", UPRIGHT},
    {"multiply", UPRIGHT}, // a plus when rotated
    {"cross", UPRIGHT},
    {"plus", UPRIGHT},
    {"minus", UPRIGHT},
    {"equals", UPRIGHT},
    {"hamsa", UPRIGHT},
    {"flag", SIDED},
    // The zodiac's signs are letter-like.
    {"Aries", UPRIGHT},
    {"Taurus", UPRIGHT},
    {"Gemini", UPRIGHT},
    {"Cancer", UPRIGHT},
    {"Leo", UPRIGHT},
    {"Virgo", UPRIGHT},
    {"Libra", UPRIGHT},
    {"Scorpio", UPRIGHT},
    {"Sagittarius", UPRIGHT},
    {"Capricorn", UPRIGHT},
    {"Aquarius", UPRIGHT},
    {"Pisces", UPRIGHT},
    {"Ophiuchus", UPRIGHT},
    // A rotated square is a diamond, and the reverse.
    {"square", UPRIGHT},
    {"diamond", UPRIGHT},
    // Others.
    {"elevator", UPRIGHT},
    {"level slider", UPRIGHT},
    {"mute", SIDED},
};
enum { RULES = sizeof rules / sizeof *rules };

// The first rule that matches the name; patterns of two letters must match the whole name. -1:
// none.
static int rule_of(const char *name) {
    for (int i = 0; i < RULES; i++) {
        const char *part = rules[i].part;
        if (strlen(part) <= 2 ? !strcmp(name, part) : strstr(name, part) != NULL)
            return (int)rules[i].rule;
    }
    return -1;
}

bool tr_glyph_mirrors(const char *name) {
    int found = rule_of(name);
    return found < 0 || found == MIRRORED;
}

bool tr_glyph_turns(const char *name) {
    return rule_of(name) != UPRIGHT;
}

// FNV-1a with MurmurHash3's finalizer: a fixed quarter of the names is novel.
bool tr_glyph_novel(const char *name) {
    uint32_t hash = 2166136261u;
    for (; *name; name++) hash = (hash ^ (uint8_t)*name) * 16777619u;
    hash = (hash ^ hash >> 16) * 0x85ebca6bu;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
    return (hash ^ hash >> 16) % 4 == 0;
}
