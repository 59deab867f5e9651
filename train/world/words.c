// SPDX-License-Identifier: Apache-2.0
#include "train/world/words.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

// Short words come first and are drawn more often, as in real text.
static const char *const words[] = {
    "the",      "to",        "and",      "a",       "of",       "in",       "it",
    "is",       "you",       "that",     "we",      "for",      "on",       "this",
    "have",     "with",      "be",       "are",     "but",      "not",      "at",
    "so",       "I",         "what",     "can",     "do",       "was",      "just",
    "all",      "my",        "if",       "out",     "up",       "get",      "like",
    "when",     "your",      "no",       "how",     "time",     "there",    "good",
    "from",     "one",       "now",      "will",    "about",    "see",      "know",
    "they",     "think",     "here",     "some",    "more",     "then",     "well",
    "go",       "back",      "too",      "make",    "come",     "them",     "really",
    "want",     "right",     "today",    "still",   "day",      "would",    "very",
    "look",     "home",      "should",   "who",     "over",     "way",      "only",
    "need",     "great",     "new",      "first",   "after",    "thanks",   "sure",
    "maybe",    "later",     "tonight",  "work",    "week",     "morning",  "yes",
    "please",   "call",      "meet",     "dinner",  "coffee",   "train",    "late",
    "soon",     "nice",      "cool",     "love",    "happy",    "photo",    "house",
    "garden",   "music",     "friend",   "weekend", "movie",    "game",     "party",
    "ticket",   "hotel",     "beach",    "winter",  "summer",   "street",   "market",
    "school",   "project",   "meeting",  "message", "question", "answer",   "picture",
    "window",   "kitchen",   "number",   "minutes", "hours",    "tomorrow", "everyone",
    "nothing",  "something", "together", "because", "before",   "between",  "another",
    "already",  "always",    "almost",   "around",  "account",  "settings", "download",
    "update",   "version",   "search",   "profile", "password", "order",    "price",
    "delivery", "review",    "details",  "support", "language", "report",   "history",
    "nature",   "science",   "weather",  "travel",  "recipe",   "article",  "chapter",
    "mountain", "river",     "forest",   "island",  "bridge",   "village",  "country",
    "journey",  "simple",    "quiet",    "early",   "bright",   "little",   "perfect",
    "strange",  "different", "remember", "believe", "imagine",  "discover", "arrive",
    "continue", "explain",   "prepare",
};
enum { WORDS = sizeof words / sizeof *words };

static const char *const given[] = {"Mira",  "Jonas", "Aiko",  "Lena", "Omar", "Priya", "Tom",
                                    "Sofia", "Emil",  "Nadia", "Kai",  "Rosa", "Ben",   "Ines",
                                    "Yusuf", "Clara", "Ravi",  "Maud", "Leo",  "Hana"};
static const char *const family[] = {"Holt", "Berg",  "Tanaka", "Moreau", "Silva", "Novak", "Reyes",
                                     "Lind", "Okoye", "Weber",  "Costa",  "Marsh", "Iyer",  "Duval",
                                     "Kent", "Rossi", "Fox",    "Amari",  "Stone", "Vance"};

const char *tr_word_draw(tn_rng *rng) {
    double t = tn_rng_unit(rng);
    return words[(int)(t * t * WORDS)];
}

size_t tr_sentence_draw(tn_rng *rng, int count, bool full, char *out, size_t bytes) {
    size_t length = 0;
    out[0] = 0;
    for (int i = 0; i < count; i++) {
        const char *word = tr_word_draw(rng);
        bool comma = full && i && i + 1 < count && tn_rng_unit(rng) < 0.08;
        if (length + strlen(word) + 4 > bytes) break;
        length += (size_t)snprintf(out + length, bytes - length, "%s%s%s", i ? " " : "", word,
                                   comma ? "," : "");
    }
    out[0] = (char)toupper((unsigned char)out[0]);
    if (full && length + 2 < bytes) {
        static const char ends[] = "....!?";
        out[length++] = ends[tn_rng_below(rng, sizeof ends - 1)];
        out[length] = 0;
    }
    return length;
}

size_t tr_person_draw(tn_rng *rng, char *out, size_t bytes) {
    const char *first = given[tn_rng_below(rng, sizeof given / sizeof *given)];
    const char *last = family[tn_rng_below(rng, sizeof family / sizeof *family)];
    int length = snprintf(out, bytes, "%s %s", first, last);
    return length < 0 ? 0 : (size_t)length < bytes ? (size_t)length : bytes - 1;
}
