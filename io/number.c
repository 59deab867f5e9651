// SPDX-License-Identifier: Apache-2.0
#include "io/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// One handle per process; "C" is built into the library, so nothing has to be released.
static locale_t c_locale(void) {
    static _Atomic(locale_t) handle;
    locale_t mine = handle;
    if (!mine) handle = mine = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    TN_CHECK(mine, "the C locale is missing");
    return mine;
}

double io_number_parse(const char *text, size_t length) {
    char copy[1100]; // more digits than any double has; further digits only scale
    size_t kept = length < sizeof copy ? length : sizeof copy - 1;
    memcpy(copy, text, kept);
    copy[kept] = 0;
    return strtod_l(copy, NULL, c_locale());
}

size_t io_number_float(float value, char text[24]) {
    TN_CHECK(isfinite(value), "a number that is not finite has no JSON");
    locale_t before = uselocale(c_locale());
    int length = 0;
    for (int digits = 6; digits <= 9; digits++) { // %g omits trailing zeros: 6 digits find them all
        length = snprintf(text, 24, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) break;
    }
    uselocale(before);
    return (size_t)length;
}
