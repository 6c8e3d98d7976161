/* The numbers of copytaster/tally.py, made in one pass over each text.
 *
 * The numpy code says what the numbers are and stays the reference; tests hold the two together. Neither texts
 * nor tables are trusted: what comes from them is checked before it serves as an index, sums are unsigned or
 * too small to overflow, and nothing is written but the rows handed in and a buffer as large as a text needs.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

#define MULTIPLIER UINT64_C(0x9E3779B97F4A7C15)
#define FINISHER UINT64_C(0xFF51AFD7ED558CCD)
#define TAIL UINT64_C(0xC2B2AE3D27D4EB4F)
#define QUOTED UINT64_C(0xA24BAED4963EE407)
#define OPENING UINT64_C(0x9FB21C651E98DF25)
#define OF_TWO UINT64_C(0x632BE59BD9B4E019)
#define OF_THREE UINT64_C(0xE220A8397B1DCDAF)

enum { SPACE, WORD, DIGIT, MARK };
enum { PAST_ED = 1, ING, LY, CAPITALISED, ALL_CAPITALS = 8, OTHER = 18, CLASSES = 34 };
enum { SORTS_OF_TOKENS = 20, FULL_STOP = 17 };
enum { OWN, INSIDE, AT_OPENING, PLACES };
enum { OWN_SHARE, OWN_ANY, INSIDE_SHARE, AT_OPENING_COUNT, CUES_OF_LEXICON, MOST_OPENINGS = 3 };
enum { N_TOKENS, N_OPENINGS, N_LETTERS, N_QUOTED, LEAD, CLOSE, BY_CLASS, WEIGHTS = BY_CLASS + CLASSES };
enum { MOST_CHARS = 1 << 16, PAD = 8 };

/* What the arrays handed in hold; those from ROWS on are written to. */
enum {
    KIND, FORM, WORDS, HASHES, FIRST, TAKEN, OFFSET, COLUMN, SORT, SHARED, STEP, CUES, INNER, ROWS, STEPS, LEXICAL, UNITS, ARRAYS
};
static const char WIDTH[ARRAYS] = {1, 1, 1, 8, 4, 1, 4, 1, 1, 1, 8, 8, 4, 4, 8, 8, 4};
enum { AT_ONCE = 16, MOST_UNITS = 1024 };

typedef struct {
    Py_buffer views[ARRAYS];
    Py_ssize_t length[ARRAYS];
    int contrasts, lexicons, units, read;
    int word_shift, slot_shift, taken_shift, sort_shift, pair_shift;
} Tables;

/* A phrase that may stand in a lexicon, and the counts of its place. */
typedef struct {
    uint64_t hash;
    int32_t *counts;
} Phrase;

/* A row of the weights of hidden units, and what it is multiplied by. */
typedef struct {
    const float *weights;
    float value;
} Row;

/* What a text of so many characters needs, which has at most as many tokens. */
typedef struct {
    uint8_t *bytes;   /* folded, in UTF-8, then PAD zeros */
    uint32_t *rows;   /* of weights: the token's, the pair's, and both once more where a sentence opens */
    Phrase *phrases;  /* of one, two and three tokens */
    int32_t *lexical; /* counts of entries, by place and lexicon */
    double *sums;     /* of shares and of flags, by contrast */
    Row *inner;       /* of the cues that are not zero */
} Scratch;

static inline uint64_t mix(uint64_t value)
{
    value ^= value >> 32;
    value *= FINISHER;
    return value ^ value >> 29;
}

static inline uint64_t join(uint64_t left, uint64_t right)
{
    return mix(left * MULTIPLIER + right);
}

/* Eight bytes as a little-endian number, capital letters of ASCII made small. */
static inline uint64_t window(const uint8_t *at)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t value = 0, low, capital;
    for (int i = 0; i < 8; i++)
        value |= (uint64_t)at[i] << 8 * i;
    low = value & 0x7F * each;
    capital = (low + (0x80 - 'A') * each) & ~(low + (0x7F - 'Z') * each) & ~value & 0x80 * each;
    return value | capital >> 2;
}

static inline uint64_t hash_of(const uint8_t *start, Py_ssize_t size, int kind)
{
    uint64_t value = '0';
    if (kind != DIGIT) {
        value = window(start);
        if (size < 8)
            value &= (UINT64_C(1) << 8 * size) - 1;
        else if (size > 8)
            value += window(start + size - 8) * TAIL;
    }
    return mix((value + ((uint64_t)size << 56)) * MULTIPLIER);
}

/* What a typographic character is read as; 0 if as it is. */
static inline uint8_t plain(Py_UCS4 character)
{
    switch (character) {
    case 0x2018: case 0x2019: return '\'';
    case 0x201C: case 0x201D: return '"';
    case 0x2013: case 0x2014: return '-';
    case 0x2026: return '.';
    case 0x2022: return '*';
    case 0x200B: case 0x200D: case 0xA0: case 0xFEFF: return ' ';
    default: return 0;
    }
}

static inline uint8_t *encode(uint8_t *at, const int width, const void *data, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        const Py_UCS4 c = PyUnicode_READ(width, data, i);
        if (c < 0x80) {
            *at++ = (uint8_t)c;
            continue;
        }
        if (plain(c)) {
            *at++ = plain(c);
            continue;
        }
        if (c < 0x800)
            *at++ = (uint8_t)(0xC0 | c >> 6);
        else {
            if (c < 0x10000)
                *at++ = (uint8_t)(0xE0 | c >> 12);
            else {
                *at++ = (uint8_t)(0xF0 | c >> 18);
                *at++ = (uint8_t)(0x80 | (c >> 12 & 0x3F));
            }
            *at++ = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        }
        *at++ = (uint8_t)(0x80 | (c & 0x3F));
    }
    return at;
}

/* Write the first characters of a text in UTF-8, lone surrogates too, and typographic ones as plain ones. */
static Py_ssize_t fold(PyObject *text, Py_ssize_t count, uint8_t *out)
{
    const void *data = PyUnicode_DATA(text);
    if (PyUnicode_IS_ASCII(text)) {
        memcpy(out, data, (size_t)count);
        return count;
    }
    switch (PyUnicode_KIND(text)) { /* the width is a constant in each copy of the loop */
    case PyUnicode_1BYTE_KIND: return encode(out, PyUnicode_1BYTE_KIND, data, count) - out;
    case PyUnicode_2BYTE_KIND: return encode(out, PyUnicode_2BYTE_KIND, data, count) - out;
    default: return encode(out, PyUnicode_4BYTE_KIND, data, count) - out;
    }
}

/* Note a phrase if a lexicon may hold it; `places` has room for one more. */
static inline Phrase *note(Phrase *places, const Tables *t, uint64_t hash, int32_t *counts)
{
    const uint8_t *taken = t->views[TAKEN].buf;
    const uint64_t slot = hash >> t->taken_shift;
    places->hash = hash;
    places->counts = counts;
    return places + (taken[slot >> 3] >> (slot & 7) & 1);
}

/* Count phrases in the lexicons that hold them. */
static void look_up(const Tables *t, const Phrase *phrase, const Phrase *end)
{
    const uint8_t *column = t->views[COLUMN].buf;
    const uint64_t *hashes = t->views[HASHES].buf;
    const int32_t *first = t->views[FIRST].buf, *offset = t->views[OFFSET].buf;
    for (; phrase < end; phrase++) {
        const uint64_t slot = phrase->hash >> t->slot_shift;
        const Py_ssize_t last = first[slot + 1] < t->length[HASHES] ? first[slot + 1] : t->length[HASHES];
        Py_ssize_t i = first[slot];
        while (i >= 0 && i < last && hashes[i] < phrase->hash)
            i++;
        if (i < 0 || i >= last || hashes[i] != phrase->hash)
            continue;
        const Py_ssize_t stop = offset[i + 1] < t->length[COLUMN] ? offset[i + 1] : t->length[COLUMN];
        for (Py_ssize_t j = offset[i]; j >= 0 && j < stop; j++)
            if (column[j] < t->lexicons)
                phrase->counts[column[j]]++;
    }
}

/* Add up rows of weights, all at once, since most of the time goes into waiting for them. */
static void add_weights(const Tables *t, const uint32_t *row, const uint32_t *end, int32_t *sums)
{
    const int8_t *words = t->views[WORDS].buf;
    if (t->contrasts == 2) {
        int32_t one = 0, two = 0;
        for (; row < end; row++) {
            one += words[2 * (size_t)*row];
            two += words[2 * (size_t)*row + 1];
        }
        sums[0] = one;
        sums[1] = two;
    } else
        for (; row < end; row++)
            for (int k = 0; k < t->contrasts; k++)
                sums[k] += words[(size_t)*row * (size_t)t->contrasts + (size_t)k];
}

/* Compiled for wider registers too where they can be had; each sum is the same. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define FOR_WIDE_REGISTERS_TOO __attribute__((target_clones("avx2", "default")))
#else
#define FOR_WIDE_REGISTERS_TOO
#endif

/* Add rows one after the other, to some units at once so that the sums stay in registers. */
FOR_WIDE_REGISTERS_TOO static void add_rows(const Row *rows, const Row *end, int units, float *sums)
{
    for (int at = 0; at < units; at += AT_ONCE) {
        float some[AT_ONCE];
        memcpy(some, sums + at, sizeof some);
        for (const Row *row = rows; row < end; row++)
            for (int k = 0; k < AT_ONCE; k++)
                some[k] += row->value * row->weights[at + k];
        memcpy(sums + at, some, sizeof some);
    }
}

/* Note the rows of the cues of a lexicon. */
static Row *note_rows(Row *rows, const Tables *t, Py_ssize_t lexicon, int32_t own, int32_t inside, int32_t opening, float length)
{
    const Py_ssize_t step = t->lexicons * (Py_ssize_t)t->units;
    const float *weights = (const float *)t->views[INNER].buf + lexicon * t->units;
    if (own) {
        *rows++ = (Row){weights + OWN_SHARE * step, sqrtf((float)own / length)};
        *rows++ = (Row){weights + OWN_ANY * step, 1};
    }
    if (inside)
        *rows++ = (Row){weights + INSIDE_SHARE * step, sqrtf((float)inside / length)};
    if (opening)
        *rows++ = (Row){weights + AT_OPENING_COUNT * step, (float)(opening < MOST_OPENINGS ? opening : MOST_OPENINGS)};
    return rows;
}

/* Weigh the counts of entries, lexicon by lexicon: what numpy adds up beside that is zero. */
static void weigh(const Tables *t, const Scratch *scratch, int32_t tokens, double *out, float *units)
{
    const int32_t *counts = scratch->lexical;
    const float length = (float)(tokens > 1 ? tokens : 1);
    double *shares = scratch->sums;
    Row *rows = scratch->inner;
    const double *weights = t->views[CUES].buf;
    const Py_ssize_t contrasts = t->contrasts, row = t->lexicons * contrasts;
    double *flags = shares + contrasts;
    memset(shares, 0, 2 * (size_t)contrasts * sizeof *shares);
    for (Py_ssize_t i = 0; i < t->lexicons; i++, weights += contrasts) {
        const int32_t inside = counts[INSIDE * t->lexicons + i], opening = counts[AT_OPENING * t->lexicons + i];
        const int32_t own = counts[i] + opening, most = opening < MOST_OPENINGS ? opening : MOST_OPENINGS;
        if (t->units && (own || inside))
            rows = note_rows(rows, t, i, own, inside, opening, length);
        if (own) {
            const double root = sqrt(own);
            for (Py_ssize_t k = 0; k < contrasts; k++) {
                shares[k] += root * weights[OWN_SHARE * row + k];
                flags[k] += weights[OWN_ANY * row + k];
            }
        }
        if (inside) {
            const double root = sqrt(inside);
            for (Py_ssize_t k = 0; k < contrasts; k++)
                shares[k] += root * weights[INSIDE_SHARE * row + k];
        }
        if (opening)
            for (Py_ssize_t k = 0; k < contrasts; k++)
                flags[k] += most * weights[AT_OPENING_COUNT * row + k];
    }
    const double root = sqrt(tokens > 1 ? tokens : 1);
    for (Py_ssize_t k = 0; k < contrasts; k++)
        out[k] = shares[k] / root + flags[k];
    add_rows(scratch->inner, rows, t->units, units);
}

static inline int is_capital(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z';
}

/* The class of a word, as far as it tells more than its first byte. */
static inline int manner(const uint8_t *start, const uint8_t *end, int capital, int opens)
{
    int class = 0;
    if (capital)
        class = (opens ? 0 : CAPITALISED) + (end - start > 1 && is_capital(end[-1]) ? ALL_CAPITALS : 0);
    if (end - start > 4) {
        if (end[-1] == 'd' && end[-2] == 'e')
            class += PAST_ED;
        else if (end[-1] == 'g' && end[-2] == 'n')
            class += ING;
        else if (end[-1] == 'y' && end[-2] == 'l')
            class += LY;
    }
    return class;
}

static void tally(const Tables *t, const Scratch *scratch, Py_ssize_t size, int32_t *row, int64_t *steps, double *out, float *units)
{
    const uint8_t *kind_of = t->views[KIND].buf, *form_of = t->views[FORM].buf;
    const uint8_t *sort_of = t->views[SORT].buf, *shared = t->views[SHARED].buf;
    const int64_t *step_of = t->views[STEP].buf;
    const int word_shift = t->word_shift;
    const int32_t read = t->length[STEP] ? t->read : 0;
    const uint8_t *at = scratch->bytes, *end = at + size, *start;
    uint32_t *rows = scratch->rows;
    Phrase *phrases = scratch->phrases;
    int32_t *lexical = scratch->lexical;
    int32_t *places[PLACES] = {lexical, lexical + t->lexicons, lexical + 2 * t->lexicons};
    int32_t count = 0, openings = 0, letters = 0, quoted_tokens = 0;
    uint64_t before = 0, pair_before = 0, taken = 0; /* hashes of the token and pair before; sum of steps */
    int left = FULL_STOP, quoted = 0, first = 0;
    int opens = 0, opened = 0, opened_before = 0; /* whether this token, and the two before, open a sentence */
    int reach = 4, leading = 4; /* how many marks may yet stand before the opening of a sentence, of the text */
    int title = 0;              /* whether the token before may be shortened by a full stop: "Mr." */

    memset(lexical, 0, PLACES * (size_t)t->lexicons * sizeof *lexical);
    for (;; count++) {
        while (kind_of[*at] == SPACE && at < end)
            at++;
        if (at >= end)
            break;
        start = at++;
        first = *start;
        if (!count)
            row[LEAD] = first;
        const int kind = kind_of[first];
        int class = form_of[first];
        opened_before = opened, opened = opens;
        if (kind == WORD) {
            while (kind_of[*at] == WORD || (*at == '\'' && kind_of[at[1]] == WORD))
                at++;
            const int capital = is_capital(*start);
            opens = reach >= 0 && (capital || leading >= 0);
            reach = leading = -1;
            title = capital && at - start <= 3;
            letters += (int32_t)(at - start);
            class += manner(start, at, capital, opens);
        } else if (kind == DIGIT) {
            while (kind_of[*at] == DIGIT)
                at++;
            opens = reach >= 0;
            reach = leading = -1;
            title = 0;
            class += at - start == 4 && (first == '1' || first == '2');
        } else {
            const int stop = first == '!' || first == '?' || first == ':' || (first == '.' && !title);
            opens = 0;
            reach = stop ? 3 : reach - (reach >= 0);
            leading = stop ? -1 : leading - (leading >= 0);
            title = 0;
            quoted ^= first == '"';
            if (quoted && (first == '?' || first == '!'))
                class = OTHER;
        }
        if (class < CLASSES)
            row[BY_CLASS + class]++;
        openings += opens;
        quoted_tokens += quoted;

        const uint64_t hash = hash_of(start, at - start, kind), plain_pair = join(before, hash);
        const uint64_t single = quoted ? hash ^ QUOTED : hash, pair = quoted ? join(before, single) : plain_pair;
        rows[0] = (uint32_t)(single >> word_shift);
        rows[1] = (uint32_t)(pair >> word_shift);
        rows += 2;
        if (opens)
            *rows++ = (uint32_t)(mix(single ^ OPENING) >> word_shift);
        if (opened)
            *rows++ = (uint32_t)(mix(pair ^ OPENING) >> word_shift);

        phrases = note(phrases, t, hash, places[quoted ? INSIDE : opens ? AT_OPENING : OWN]);
        if (count > 0)
            phrases = note(phrases, t, plain_pair ^ OF_TWO, places[quoted ? INSIDE : opened ? AT_OPENING : OWN]);
        if (count > 1)
            phrases = note(phrases, t, join(pair_before, hash) ^ OF_THREE,
                           places[quoted ? INSIDE : opened_before ? AT_OPENING : OWN]);

        if (count < read) {
            const int right = sort_of[single >> t->sort_shift];
            const uint64_t bit = pair >> t->pair_shift;
            const Py_ssize_t step = (left * SORTS_OF_TOKENS + right) * 2 + (shared[bit >> 3] >> (bit & 7) & 1);
            if (step < t->length[STEP])
                taken += (uint64_t)step_of[step];
            left = right;
        }
        before = hash;
        pair_before = plain_pair;
    }
    row[N_TOKENS] = count;
    row[N_OPENINGS] = openings;
    row[N_LETTERS] = letters;
    row[N_QUOTED] = quoted_tokens;
    row[CLOSE] = first;
    memcpy(steps, &taken, sizeof taken);
    add_weights(t, scratch->rows, rows, row + WEIGHTS);
    look_up(t, scratch->phrases, phrases);
    weigh(t, scratch, count, out, units);
}

/* ---- Python's side ---- */

/* Return how far to shift a hash to get one of so many rows, a power of two; 0 if they are none. */
static int shift_to(Py_ssize_t rows)
{
    for (int bits = 1; bits < 32; bits++)
        if (rows == (Py_ssize_t)1 << bits)
            return 64 - bits;
    return 0;
}

static int borrow(Py_buffer *view, Py_ssize_t *length, PyObject *object, int width, int writable)
{
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | (writable ? PyBUF_WRITABLE : 0)) < 0)
        return 0;
    if (view->itemsize == width && (uintptr_t)view->buf % (size_t)width == 0) {
        *length = view->len / view->itemsize;
        return 1;
    }
    PyBuffer_Release(view);
    PyErr_Format(PyExc_ValueError, "an array has not items of %d bytes", width);
    return 0;
}

static int fits(Tables *t, Py_ssize_t texts)
{
    const Py_ssize_t *length = t->length, slots = length[FIRST] - 1;
    if (t->contrasts < 1 || t->contrasts > 255 || t->lexicons < 0 || t->lexicons > 255)
        return 0;
    if (t->units < 0 || t->units > MOST_UNITS || t->units % AT_ONCE)
        return 0;
    t->word_shift = shift_to(length[WORDS] / t->contrasts);
    t->slot_shift = shift_to(slots);
    t->taken_shift = shift_to(8 * length[TAKEN]);
    t->sort_shift = shift_to(length[SORT]);
    t->pair_shift = shift_to(8 * length[SHARED]);
    return t->word_shift && length[WORDS] % t->contrasts == 0 && length[KIND] == 256 && length[FORM] == 256 &&
           ((const uint8_t *)t->views[KIND].buf)[0] == SPACE && t->slot_shift && t->taken_shift &&
           length[OFFSET] == length[HASHES] + 1 && (!length[STEP] || (t->sort_shift && t->pair_shift)) &&
           length[STEPS] == texts && length[ROWS] == texts * (WEIGHTS + t->contrasts) &&
           length[CUES] == CUES_OF_LEXICON * t->lexicons * t->contrasts && length[LEXICAL] == texts * t->contrasts &&
           length[INNER] == (Py_ssize_t)CUES_OF_LEXICON * t->lexicons * t->units && length[UNITS] == texts * t->units;
}

static int all_texts(PyObject *texts)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(texts); i++) {
        PyObject *text = PyTuple_GET_ITEM(texts, i);
        if (!PyUnicode_Check(text)) {
            PyErr_Format(PyExc_TypeError, "text %zd is no string", i);
            return 0;
        }
#if PY_VERSION_HEX < 0x030C0000
        if (PyUnicode_READY(text) < 0)
            return 0;
#endif
    }
    return 1;
}

static Py_ssize_t chars_of(PyObject *text)
{
    const Py_ssize_t count = PyUnicode_GET_LENGTH(text);
    return count < MOST_CHARS ? count : MOST_CHARS;
}

static int tally_all(const Tables *t, PyObject *texts)
{
    const Py_ssize_t count = PyTuple_GET_SIZE(texts);
    const int width = WEIGHTS + t->contrasts;
    size_t most = 0;
    for (Py_ssize_t i = 0; i < count; i++) {
        const size_t chars = (size_t)chars_of(PyTuple_GET_ITEM(texts, i));
        most = chars > most ? chars : most;
    }
    /* One phrase more than there can be, since `note` writes before it asks. */
    Scratch scratch = {PyMem_Malloc(4 * most + PAD), PyMem_Malloc((4 * most + 1) * sizeof(uint32_t)),
                       PyMem_Malloc((3 * most + 1) * sizeof(Phrase)),
                       PyMem_Malloc(PLACES * (size_t)t->lexicons * sizeof(int32_t)),
                       PyMem_Malloc(2 * (size_t)t->contrasts * sizeof(double)),
                       PyMem_Malloc(CUES_OF_LEXICON * (size_t)t->lexicons * sizeof(Row))};
    const int good = scratch.bytes && scratch.rows && scratch.phrases && scratch.lexical && scratch.sums && scratch.inner;
    if (!good)
        PyErr_NoMemory();
    else {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t i = 0; i < count; i++) {
            PyObject *text = PyTuple_GET_ITEM(texts, i);
            const Py_ssize_t size = fold(text, chars_of(text), scratch.bytes);
            memset(scratch.bytes + size, 0, PAD);
            tally(t, &scratch, size, (int32_t *)t->views[ROWS].buf + i * width, (int64_t *)t->views[STEPS].buf + i,
                  (double *)t->views[LEXICAL].buf + i * t->contrasts, (float *)t->views[UNITS].buf + i * t->units);
        }
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(scratch.bytes);
    PyMem_Free(scratch.rows);
    PyMem_Free(scratch.phrases);
    PyMem_Free(scratch.lexical);
    PyMem_Free(scratch.sums);
    PyMem_Free(scratch.inner);
    return good;
}

PyDoc_STRVAR(TALLY_DOC, "tally(texts, lexicons, contrasts, units, read, arrays)\n--\n\nAdd the numbers of texts to rows of zeros, and to the biases of units.");

static PyObject *kernel_tally(PyObject *self, PyObject *args)
{
    Tables t = {0};
    PyObject *given, *arrays, *texts, *result = NULL;
    int held = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "OiiiiO!", &given, &t.lexicons, &t.contrasts, &t.units, &t.read, &PyTuple_Type, &arrays))
        return NULL;
    if (PyTuple_GET_SIZE(arrays) != ARRAYS)
        return PyErr_Format(PyExc_ValueError, "%d arrays are needed", ARRAYS);
    if (!(texts = PySequence_Tuple(given)))
        return NULL;
    while (held < ARRAYS && borrow(&t.views[held], &t.length[held], PyTuple_GET_ITEM(arrays, held), WIDTH[held], held >= ROWS))
        held++;
    if (held == ARRAYS && all_texts(texts)) {
        if (!fits(&t, PyTuple_GET_SIZE(texts)))
            PyErr_SetString(PyExc_ValueError, "the arrays do not fit together");
        else if (tally_all(&t, texts))
            result = Py_NewRef(Py_None);
    }
    while (held > 0)
        PyBuffer_Release(&t.views[--held]);
    Py_DECREF(texts);
    return result;
}

/* What the arrays of the layer hold. */
enum { FORMS, FORM_WEIGHTS, OUTER, SUMS, CONTRASTS, ARRAYS_OF_LAYER };
static const char WIDTH_OF_LAYER[ARRAYS_OF_LAYER] = {4, 4, 8, 4, 8};

/* Add up the units above zero, weighted; a constant number of contrasts has a copy of the loop. */
static inline void add_units(const float *sums, int units, const double *outer, const int contrasts, double *out)
{
    double total[255];
    memset(total, 0, (size_t)contrasts * sizeof *total);
    for (int k = 0; k < units; k++) {
        const double unit = sums[k] > 0 ? sums[k] : 0;
        for (int c = 0; c < contrasts; c++)
            total[c] += unit * outer[k * contrasts + c];
    }
    memcpy(out, total, (size_t)contrasts * sizeof *out);
}

/* Finish the sums of each text's units by its signs of form, and add up the units above zero, weighted. */
static int layer(const Py_buffer *views, const Py_ssize_t *length, int units, int contrasts)
{
    const Py_ssize_t forms = units ? length[FORM_WEIGHTS] / units : 0, texts = units ? length[SUMS] / units : 0;
    const float *form = views[FORMS].buf, *weights = views[FORM_WEIGHTS].buf;
    const double *outer = views[OUTER].buf;
    double *out = views[CONTRASTS].buf;
    if (units < AT_ONCE || units > MOST_UNITS || units % AT_ONCE || contrasts < 1 || contrasts > 255 || forms > 255 ||
        length[FORM_WEIGHTS] != forms * units || length[OUTER] != (Py_ssize_t)units * contrasts ||
        length[SUMS] != texts * units || length[FORMS] != forms * texts || length[CONTRASTS] != texts * contrasts)
        return 0;
    for (Py_ssize_t i = 0; i < texts; i++, out += contrasts) {
        Row rows[255], *end = rows;
        float sums[MOST_UNITS];
        memcpy(sums, (const float *)views[SUMS].buf + i * units, (size_t)units * sizeof *sums);
        for (Py_ssize_t j = 0; j < forms; j++)
            if (form[j * texts + i] != 0)
                *end++ = (Row){weights + j * units, form[j * texts + i]};
        add_rows(rows, end, units, sums);
        if (contrasts == 2)
            add_units(sums, units, outer, 2, out);
        else
            add_units(sums, units, outer, contrasts, out);
    }
    return 1;
}

PyDoc_STRVAR(LAYER_DOC, "layer(units, contrasts, arrays)\n--\n\nWrite what hidden units add to contrasts.");

static PyObject *kernel_layer(PyObject *self, PyObject *args)
{
    Py_buffer views[ARRAYS_OF_LAYER];
    Py_ssize_t length[ARRAYS_OF_LAYER];
    PyObject *arrays, *result = NULL;
    int held = 0, units, contrasts;
    (void)self;
    if (!PyArg_ParseTuple(args, "iiO!", &units, &contrasts, &PyTuple_Type, &arrays))
        return NULL;
    if (PyTuple_GET_SIZE(arrays) != ARRAYS_OF_LAYER)
        return PyErr_Format(PyExc_ValueError, "%d arrays are needed", ARRAYS_OF_LAYER);
    while (held < ARRAYS_OF_LAYER &&
           borrow(&views[held], &length[held], PyTuple_GET_ITEM(arrays, held), WIDTH_OF_LAYER[held], held == CONTRASTS))
        held++;
    if (held == ARRAYS_OF_LAYER) {
        if (layer(views, length, units, contrasts))
            result = Py_NewRef(Py_None);
        else
            PyErr_SetString(PyExc_ValueError, "the arrays do not fit together");
    }
    while (held > 0)
        PyBuffer_Release(&views[--held]);
    return result;
}

static PyMethodDef METHODS[] = {
    {"tally", kernel_tally, METH_VARARGS, TALLY_DOC},
    {"layer", kernel_layer, METH_VARARGS, LAYER_DOC},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot SLOTS[] = {
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_kernel", "The numbers of copytaster.tally, faster.", 0, METHODS, SLOTS,
    NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__kernel(void)
{
    return PyModuleDef_Init(&MODULE);
}
