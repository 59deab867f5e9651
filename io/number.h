// SPDX-License-Identifier: Apache-2.0
// Numbers as text, independent of the locale: always with a decimal point.
#pragma once

#include "tensor/status.h"

// The double nearest to a decimal number of the form [-]digits[.digits][e[+-]digits] with exactly
// length bytes; the caller has checked the form. Infinite if it is too large.
double io_number_parse(const char *text, size_t length);

// Writes the shortest decimal form, valid in JSON, that reads back as the same float32; value must
// be finite. Returns the length; text ends with a 0.
size_t io_number_float(float value, char text[24]);
