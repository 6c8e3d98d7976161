/* The lines of `copytaster.writers.JsonlWriter`, in UTF-8, from columns: that class in Python is the reference.
 *
 * Most texts are ASCII with nothing to escape, which a loop without branches finds out; they are copied as they are.
 * Neither columns nor blocks are trusted: what comes from them is checked before it serves as an index.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

/* The fields of `copytaster.article.Paragraph`. */
enum { KIND, START, END, TEXT, FIELDS };
/* The columns of `copytaster.annotate.Verdicts`, one row a block that is classified, and what they are places in. */
enum { LABEL, STATUS, READER, CONFIDENCE, PROBABILITIES, COLUMNS };
enum { NAMED = CONFIDENCE };
enum { PLAIN, ESCAPED };

typedef struct {
    char *bytes;
    size_t size, room;
} Out;

/* Make room for more bytes and return where they go; NULL where memory has run out. */
static char *reserve(Out *out, size_t more)
{
    if (out->room - out->size < more) {
        const size_t room = 2 * out->room + more + (1 << 16);
        char *bytes = room > out->size ? PyMem_Realloc(out->bytes, room) : NULL;
        if (!bytes) {
            PyErr_NoMemory();
            return NULL;
        }
        out->bytes = bytes;
        out->room = room;
    }
    return out->bytes + out->size;
}

static int put(Out *out, const char *bytes, size_t size)
{
    char *to = reserve(out, size);
    if (!to)
        return 0;
    memcpy(to, bytes, size);
    out->size += size;
    return 1;
}

typedef struct {
    Py_buffer views[COLUMNS];
    PyObject *names[NAMED]; /* tuples of strings */
    PyObject *keys;         /* what stands before each probability */
    Py_ssize_t rows, row;   /* how many there are, and the next one */
} Table;

#define PUT(out, literal) put(out, literal, sizeof(literal) - 1)

static int is_plain(const unsigned char *bytes, Py_ssize_t length)
{
    int found = 0;
    for (Py_ssize_t i = 0; i < length; i++)
        found |= (bytes[i] < ' ') | (bytes[i] == '"') | (bytes[i] == '\\');
    return !found;
}

static inline int has_letter(Py_UCS4 c)
{
    return c == '"' || c == '\\' || (c >= '\b' && c <= '\r' && c != '\v');
}

/* How many bytes stand for a character; half of a surrogate pair, which has no UTF-8, is always escaped. */
static inline size_t size_of(Py_UCS4 c, int how)
{
    if (c < 0x80)
        return how == PLAIN || (c >= ' ' && c != '"' && c != '\\') ? 1 : has_letter(c) ? 2 : 6;
    return c < 0x800 ? 2 : c >= 0x10000 ? 4 : c >= 0xD800 && c <= 0xDFFF ? 6 : 3;
}

static inline char *write_character(char *to, Py_UCS4 c, size_t size)
{
    static const char LETTERS[] = "btn?fr", DIGITS[] = "0123456789abcdef";
    if (size == 1)
        *to++ = (char)c;
    else if (c < 0x80 || size == 6) {
        *to++ = '\\';
        if (size == 2)
            *to++ = c == '"' || c == '\\' ? (char)c : LETTERS[c - '\b'];
        else {
            *to++ = 'u';
            for (int shift = 12; shift >= 0; shift -= 4)
                *to++ = DIGITS[c >> shift & 15];
        }
    } else {
        *to++ = (char)(size == 2 ? 0xC0 | c >> 6 : size == 3 ? 0xE0 | c >> 12 : 0xF0 | c >> 18);
        for (int shift = 6 * (int)size - 12; shift >= 0; shift -= 6)
            *to++ = (char)(0x80 | (c >> shift & 0x3F));
    }
    return to;
}

/* Only called with constant widths, so that each has a loop of its own. */
static inline int put_characters(Out *out, const int width, const void *data, Py_ssize_t length, int how)
{
    size_t size = 0;
    for (Py_ssize_t i = 0; i < length; i++)
        size += size_of(PyUnicode_READ(width, data, i), how);
    char *to = reserve(out, size);
    if (!to)
        return 0;
    for (Py_ssize_t i = 0; i < length; i++) {
        const Py_UCS4 c = PyUnicode_READ(width, data, i);
        to = write_character(to, c, size_of(c, how));
    }
    out->size += size;
    return 1;
}

static int put_text(Out *out, PyObject *text, int how)
{
    if (!PyUnicode_Check(text)) {
        PyErr_SetString(PyExc_TypeError, "not a string");
        return 0;
    }
#if PY_VERSION_HEX < 0x030C0000
    if (PyUnicode_READY(text) < 0)
        return 0;
#endif
    const void *data = PyUnicode_DATA(text);
    const Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    if (PyUnicode_IS_ASCII(text) && (how == PLAIN || is_plain(data, length)))
        return put(out, data, (size_t)length);
    switch (PyUnicode_KIND(text)) {
    case PyUnicode_1BYTE_KIND: return put_characters(out, PyUnicode_1BYTE_KIND, data, length, how);
    case PyUnicode_2BYTE_KIND: return put_characters(out, PyUnicode_2BYTE_KIND, data, length, how);
    default: return put_characters(out, PyUnicode_4BYTE_KIND, data, length, how);
    }
}

static int put_number(Out *out, long long number)
{
    char digits[24], *first = digits + sizeof digits;
    unsigned long long left = number < 0 ? 0ULL - (unsigned long long)number : (unsigned long long)number;
    do
        *--first = (char)('0' + left % 10);
    while (left /= 10);
    if (number < 0)
        *--first = '-';
    return put(out, first, (size_t)(digits + sizeof digits - first));
}

static int put_field(Out *out, PyObject *block, int field)
{
    const long long number = PyLong_AsLongLong(PyTuple_GET_ITEM(block, field));
    return !(number == -1 && PyErr_Occurred()) && put_number(out, number);
}

/* Write a number with four decimals. What lies too near to the middle of two is left to Python. */
static int put_share(Out *out, double value)
{
    const double parts = value * 10000, whole = floor(parts);
    if (!(value > 0 && value <= 1) || fabs(parts - whole - 0.5) < 1e-6) {
        char *digits = PyOS_double_to_string(value, 'f', 4, 0, NULL);
        const int good = digits && put(out, digits, strlen(digits));
        PyMem_Free(digits);
        return good;
    }
    char digits[] = "0.0000";
    int rounded = (int)whole + (parts - whole > 0.5);
    for (int at = 5; at > 1; at--, rounded /= 10)
        digits[at] = (char)('0' + rounded % 10);
    digits[0] = (char)('0' + rounded);
    return put(out, digits, sizeof digits - 1);
}

static int put_named(Out *out, const Table *table, int column)
{
    const int64_t place = ((const int64_t *)table->views[column].buf)[table->row];
    if (place < 0 || place >= PyTuple_GET_SIZE(table->names[column])) {
        PyErr_Format(PyExc_ValueError, "column %d of row %zd names nothing", column, table->row);
        return 0;
    }
    return put_text(out, PyTuple_GET_ITEM(table->names[column], place), PLAIN);
}

/* Write what is said of a block that is classified, up to its text. */
static int put_verdict(Out *out, Table *table)
{
    const Py_ssize_t labels = PyTuple_GET_SIZE(table->keys);
    if (table->row >= table->rows) {
        PyErr_SetString(PyExc_ValueError, "more blocks than rows");
        return 0;
    }
    const double *share = (const double *)table->views[PROBABILITIES].buf + table->row * labels;
    if (!(PUT(out, "\", \"label\": ") && put_named(out, table, LABEL) && PUT(out, ", \"confidence\": ") &&
          put_share(out, ((const double *)table->views[CONFIDENCE].buf)[table->row])))
        return 0;
    if (!PUT(out, ", \"probabilities\": {"))
        return 0;
    for (Py_ssize_t i = 0; i < labels; i++)
        if (!((i == 0 || PUT(out, ", ")) && put_text(out, PyTuple_GET_ITEM(table->keys, i), PLAIN) &&
              PUT(out, ": ") && put_share(out, share[i])))
            return 0;
    const int good = PUT(out, "}, \"status\": \"") && put_named(out, table, STATUS) &&
                     PUT(out, "\", \"reader\": \"") && put_named(out, table, READER);
    table->row++;
    return good;
}

static int put_row(Out *out, PyObject *name, Py_ssize_t place, PyObject *block, Table *table)
{
    PyObject *kind;
    if (!PyTuple_Check(block) || PyTuple_GET_SIZE(block) != FIELDS ||
        !PyUnicode_Check(kind = PyTuple_GET_ITEM(block, KIND))) {
        PyErr_SetString(PyExc_TypeError, "not a paragraph");
        return 0;
    }
    const int classified = PyUnicode_CompareWithASCIIString(kind, "body") == 0 ||
                           PyUnicode_CompareWithASCIIString(kind, "list-item") == 0;
    return PUT(out, "{\"id\": \"") && put_text(out, name, ESCAPED) && PUT(out, "\", \"paragraph\": ") &&
           put_number(out, place) && PUT(out, ", \"start\": ") && put_field(out, block, START) &&
           PUT(out, ", \"end\": ") && put_field(out, block, END) && PUT(out, ", \"kind\": \"") &&
           put_text(out, kind, PLAIN) &&
           (classified ? put_verdict(out, table)
                       : PUT(out, "\", \"label\": null, \"confidence\": null, \"probabilities\": null, "
                                  "\"status\": \"not_classified\", \"reader\": \"fast")) &&
           PUT(out, "\", \"text\": \"") && put_text(out, PyTuple_GET_ITEM(block, TEXT), ESCAPED) && PUT(out, "\"}\n");
}
/* ---- Python's side ---- */

static int borrow(Table *table, int column, PyObject *object)
{
    Py_buffer *view = &table->views[column];
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS) < 0)
        return 0;
    const Py_ssize_t cells = table->rows * (column == PROBABILITIES ? PyTuple_GET_SIZE(table->keys) : 1);
    if (view->itemsize == 8 && view->len / 8 == cells && (uintptr_t)view->buf % 8 == 0)
        return 1;
    PyBuffer_Release(view);
    PyErr_Format(PyExc_ValueError, "column %d has not %zd cells of 8 bytes", column, cells);
    return 0;
}

static int put_articles(Out *out, PyObject *articles, Table *table)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(articles); i++) {
        PyObject *name, *blocks, *article = PyList_GET_ITEM(articles, i);
        if (!PyTuple_Check(article)) {
            PyErr_SetString(PyExc_TypeError, "not an article");
            return 0;
        }
        if (!PyArg_ParseTuple(article, "UO!", &name, &PyList_Type, &blocks))
            return 0;
        for (Py_ssize_t at = 0; at < PyList_GET_SIZE(blocks); at++)
            if (!put_row(out, name, at, PyList_GET_ITEM(blocks, at), table))
                return 0;
    }
    if (table->row == table->rows)
        return 1;
    PyErr_SetString(PyExc_ValueError, "more rows than blocks");
    return 0;
}

PyDoc_STRVAR(WRITE_DOC, "write(articles, rows, columns, names, keys)\n--\n\nWrite one line a block.");

static PyObject *write_rows(PyObject *self, PyObject *args)
{
    PyObject *articles, *columns, *result = NULL;
    Table table = {0};
    Out out = {NULL, 0, 0};
    int held = 0;
    (void)self;
    if (!PyArg_ParseTuple(args, "O!nO!(O!O!O!)O!", &PyList_Type, &articles, &table.rows, &PyTuple_Type, &columns,
                          &PyTuple_Type, &table.names[LABEL], &PyTuple_Type, &table.names[STATUS], &PyTuple_Type,
                          &table.names[READER], &PyTuple_Type, &table.keys))
        return NULL;
    if (PyTuple_GET_SIZE(columns) != COLUMNS || table.rows < 0 || table.rows > PY_SSIZE_T_MAX >> 32)
        return PyErr_Format(PyExc_ValueError, "%d columns are needed", COLUMNS);
    while (held < COLUMNS && borrow(&table, held, PyTuple_GET_ITEM(columns, held)))
        held++;
    if (held == COLUMNS && put_articles(&out, articles, &table))
        result = PyBytes_FromStringAndSize(out.bytes, (Py_ssize_t)out.size);
    while (held > 0)
        PyBuffer_Release(&table.views[--held]);
    PyMem_Free(out.bytes);
    return result;
}

static PyMethodDef METHODS[] = {{"write", write_rows, METH_VARARGS, WRITE_DOC}, {NULL, NULL, 0, NULL}};

static PyModuleDef_Slot SLOTS[] = {
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_rows", "Lines of JSONL, faster.", 0, METHODS, SLOTS, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__rows(void)
{
    return PyModuleDef_Init(&MODULE);
}
