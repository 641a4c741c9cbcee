/* Writes the rows of a sample over and over again by libxlsxwriter, holding
 * none of them: xlsxwriter SAMPLE ROWS OUT. It says what it used: CPU seconds,
 * seconds, seconds to the first byte, kB of memory at most, bytes out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <xlsxwriter.h>

typedef struct {
	char kind; /* 0 null, b bool, n number, m money, d day, s timestamp, t text */
	double number;
	char *text;
} cell;

static void die(const char *what) {
	perror(what);
	exit(1);
}

static cell read_cell(FILE *in) {
	char *line = NULL;
	size_t room = 0;
	ssize_t length = getline(&line, &room, in);
	if (length < 1)
		die("sample");
	line[length - 1] = 0;
	cell c = {line[0], 0, line + 1};
	if (c.kind == 'b')
		c.number = c.text[0] == 't';
	else if (c.kind != 't' && c.kind != '0')
		c.number = strtod(c.text, NULL);
	return c;
}

static double seconds(struct timeval t) { return t.tv_sec + t.tv_usec / 1e6; }

static double cpu(void) {
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return seconds(u.ru_utime) + seconds(u.ru_stime);
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* peak is this process's own; what getrusage says begins with its parent's. */
static long peak(void) {
	char line[256];
	long kb = 0;
	FILE *status = fopen("/proc/self/status", "r");
	while (status && fgets(line, sizeof line, status))
		sscanf(line, "VmHWM: %ld", &kb);
	return kb;
}

int main(int argc, char **argv) {
	int columns, sampled, rows = argc > 3 ? atoi(argv[2]) : 0;
	FILE *in = argc > 3 ? fopen(argv[1], "r") : NULL;
	if (!in || fscanf(in, "%d %d\n", &columns, &sampled) != 2)
		die("sample");
	size_t cells = (size_t)columns * (sampled + 1); /* the titles first */
	cell *sample = malloc(cells * sizeof *sample);
	for (size_t i = 0; i < cells; i++)
		sample[i] = read_cell(in);

	double cpu_before = cpu(), began = now();
	lxw_workbook_options options = {.constant_memory = LXW_TRUE};
	lxw_workbook *book = workbook_new_opt(argv[3], &options);
	lxw_worksheet *sheet = workbook_add_worksheet(book, NULL);
	lxw_format *money = workbook_add_format(book), *day = workbook_add_format(book), *stamp = workbook_add_format(book);
	format_set_num_format(money, "#,##0.00;[Red]-#,##0.00");
	format_set_num_format_index(day, 14);
	format_set_num_format_index(stamp, 22);
	for (int i = 0; i <= rows; i++) {
		cell *row = sample + (size_t)columns * (i ? 1 + (i - 1) % sampled : 0);
		for (int j = 0; j < columns; j++) {
			cell *c = row + j;
			switch (c->kind) {
			case 'b': worksheet_write_boolean(sheet, i, j, c->number, NULL); break;
			case 'n': worksheet_write_number(sheet, i, j, c->number, NULL); break;
			case 'm': worksheet_write_number(sheet, i, j, c->number, money); break;
			case 'd': worksheet_write_number(sheet, i, j, c->number, day); break;
			case 's': worksheet_write_number(sheet, i, j, c->number, stamp); break;
			case 't': worksheet_write_string(sheet, i, j, c->text, NULL); break;
			}
		}
	}
	double first = now() - began; /* there is no file before it is closed */
	if (workbook_close(book) != LXW_NO_ERROR)
		die("close");
	double cpu_used = cpu() - cpu_before, wall = now() - began;
	struct stat file;
	if (stat(argv[3], &file))
		die("out");
	printf("%f %f %f %ld %lld\n", cpu_used, wall, first, peak(), (long long)file.st_size);
	return 0;
}
