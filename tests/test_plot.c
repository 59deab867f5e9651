// SPDX-License-Identifier: Apache-2.0
// Charts: the right size, ink where there are points, odd input without harm.
#include "draw/plot.h"
#include "io/image/image.h"
#include "tests/support/temporary.h"
#include "tests/support/test.h"

#include <math.h>

static tn_error err;

// How many pixels of the file are of a colour.
static size_t pixels(const char *path, int r, int g, int b) {
    tn_tensor image;
    size_t n = 0;
    ASSERT_OK(io_image_read(path, 0, &image, &err), err);
    const uint8_t *at = tn_u8(&image);
    for (int64_t i = 0; i < image.dim[0] * image.dim[1]; i++, at += 3)
        n += at[0] == r && at[1] == g && at[2] == b;
    tn_free(image.data);
    return n;
}

static void lines_are_where_points_are(void **state) {
    (void)state;
    const char *path = temporary_path("lines.png");
    const double x[] = {0, 1, 2, 3}, y[] = {5, 5, NAN, 5}, nothing[] = {NAN, INFINITY, NAN, NAN};
    const io_series series[] = {{"a\xff", x, y, 4}, {"none", x, nothing, 4}, {"empty", x, y, 0}};
    io_plot plot = {"title", "x", "y", 0, 0, 0, 0, series, 3};
    ASSERT_OK(io_plot_write(path, &plot, &err), err);
    size_t red = pixels(path, 0xff, 0x5a, 0x5f); // a third of the line's length
    assert_true(red > 200 && red < 1200);
    plot = (io_plot){"nothing", "", "", 0, 0, 0, 0, NULL, 0};
    ASSERT_OK(io_plot_write(path, &plot, &err), err);
    assert_int_equal(io_plot_write("/nowhere/a.png", &plot, &err), TN_EIO);
}

static void matrices_of_any_size_are_drawn(void **state) {
    (void)state;
    static const char *names[5000];
    static int64_t values[700 * 700];
    const char *path = temporary_path("matrix.png");
    for (size_t i = 0; i < 5000; i++) names[i] = "a name that is much too long for its place";
    for (size_t i = 0; i < 700 * 700; i++) values[i] = (int64_t)(i % 701);
    static const size_t sizes[] = {1, 3, 15, 30, 90, 300, 700};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        io_matrix m = {"m", "rows", "columns", names, names, sizes[i], sizes[i], values};
        ASSERT_OK(io_matrix_write(path, &m, &err), err);
    }
    io_matrix whole = {"m", "rows", "columns", names, names, 1, 1, &values[5]};
    ASSERT_OK(io_matrix_write(path, &whole, &err), err);
    assert_true(pixels(path, 20, 97, 166) > 2500); // all of the row: the full colour
    io_matrix wide = {"m", "r", "c", names, names, 1, 5000, values};
    assert_int_equal(io_matrix_write(path, &wide, &err), TN_EUNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_where_points_are),
        cmocka_unit_test(matrices_of_any_size_are_drawn),
    };
    return cmocka_run_group_tests(tests, NULL, temporary_teardown);
}
