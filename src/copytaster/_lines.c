/* The lines of a text that are blocks by themselves: what `copytaster.article.segment` does line by line.
 *
 * It finds nothing that Python would not find: where a line may be more than plain running text, Python is asked
 * to look at it, and where a line may belong together with others, Python goes on from there. Texts are not
 * trusted; they are only read, and within their length.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* As in copytaster/kinds.py and copytaster/glued.py, which say what they mean. */
enum { SENTENCE = 60, LONG = 100, SHORT = 240, REACH = 80, FIRST_WORD = 20 };

typedef struct {
    const void *data;
    Py_ssize_t length;
    PyObject *string;
} Text;

/* What Python hands over and what goes into each block of running text. */
typedef struct {
    PyObject *blocks, *look, *suspects, *body;
    PyTypeObject *cls;
} Side;

/* Where a line begins and ends without the white space around it, and where the next one begins. */
typedef struct {
    Py_ssize_t start, end, next;
} Line;

/* A width is always a constant, so that each has a copy of all of this. */
static inline Py_UCS4 at(const int width, const Text *text, Py_ssize_t i)
{
    return PyUnicode_READ(width, text->data, i);
}

static inline int is_break(Py_UCS4 c)
{
    return (c <= '\r' && c >= '\n') || (c <= 0x1E && c >= 0x1C) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/* White space, or one of the characters that are not seen, as in `copytaster.article.BLANK`. */
static inline int is_blank(Py_UCS4 c)
{
    if (c < 0x80)
        return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1C && c <= 0x1F);
    return Py_UNICODE_ISSPACE(c) || c == 0xAD || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
           (c >= 0x2060 && c <= 0x2064) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
}

static inline int is_capital(Py_UCS4 c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0xDE);
}

static inline int is_quote(Py_UCS4 c)
{
    return c == '"' || c == 0x201C || c == 0x2018;
}

/* Return where the line ends that begins at `i`, having looked at some characters at once for as long as possible. */
static inline Py_ssize_t next_break(const int width, const Text *text, Py_ssize_t i)
{
    enum { STRIDE = 16 };
    for (; text->length - i >= STRIDE; i += STRIDE) {
        int found = 0;
        for (int k = 0; k < STRIDE; k++) {
            const Py_UCS4 c = at(width, text, i + k);
            found |= (c < ' ') | (c == 0x85) | ((c | 1) == 0x2029);
        }
        if (found)
            for (int k = 0; k < STRIDE; k++)
                if (is_break(at(width, text, i + k)))
                    return i + k;
    }
    while (i < text->length && !is_break(at(width, text, i)))
        i++;
    return i;
}

static inline Line line_at(const int width, const Text *text, Py_ssize_t start)
{
    Line line = {start, next_break(width, text, start), 0};
    line.next = line.end + (line.end < text->length);
    if (line.next < text->length && at(width, text, line.end) == '\r' && at(width, text, line.next) == '\n')
        line.next++;
    while (line.start < line.end && is_blank(at(width, text, line.start)))
        line.start++;
    while (line.end > line.start && is_blank(at(width, text, line.end - 1)))
        line.end--;
    return line;
}

/* What a capital letter may follow where two elements of a page are run together. */
static inline int ends_element(Py_UCS4 c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c >= 0xDF && c <= 0xFF) || c == '!' || c == '?' ||
           c == 0x2026 || c == ')' || c == ']' || c == 0xBB || c == 0x2192;
}

/* Tell whether `copytaster.glued.SEAM` matches near the front of a line. */
static inline int has_seam(const int width, const Text *text, const Line *line)
{
    const Py_ssize_t end = line->end - line->start < REACH ? line->end : line->start + REACH;
    int capitals = 0;
    Py_UCS4 before = 0, c = at(width, text, line->start), following;
    for (Py_ssize_t i = line->start; i < end; i++, before = c, c = following) {
        following = i + 1 < end ? at(width, text, i + 1) : 0;
        capitals = c >= 'A' && c <= 'Z' ? capitals + 1 : 0;
        if (capitals >= 4 && following >= 'a' && following <= 'z')
            return 1;
        if (is_capital(c) && ends_element(before))
            return 1;
        if ((is_quote(c) || c == 0xAB) && ends_element(before) && (following == '_' || Py_UNICODE_ISALNUM(following)))
            return 1;
    }
    return 0;
}

/* Tell whether the first word is one of the suspects, or not in ASCII; -1 where memory has run out. */
static inline int is_suspect(const int width, const Text *text, const Line *line, PyObject *suspects)
{
    char word[FIRST_WORD];
    Py_ssize_t size = 0;
    for (; size < FIRST_WORD; size++) { /* a line that comes here is longer */
        const Py_UCS4 c = at(width, text, line->start + size);
        if (is_blank(c))
            break;
        if (c >= 0x80 && !(c >= 0x2010 && c <= 0x2027)) /* of these, dashes and quotes, none is like ASCII */
            return 1;
        word[size] = (char)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c < 0x80 ? c : '-');
    }
    while (size && word[size - 1] == ':')
        size--;
    PyObject *key = PyUnicode_FromStringAndSize(word, size);
    const int found = key ? PySet_Contains(suspects, key) : -1;
    Py_XDECREF(key);
    return found;
}

static inline int tells_of_cookies(const int width, const Text *text, const Line *line)
{
    const Py_ssize_t end = (line->end - line->start < SHORT ? line->end : line->start + SHORT) - 4;
    for (Py_ssize_t i = line->start; i < end; i++)
        if (at(width, text, i + 2) == 'k' && at(width, text, i) == 'o' && at(width, text, i + 1) == 'o' && at(width, text, i + 3) == 'i' &&
            at(width, text, i + 4) == 'e')
            return 1;
    return 0;
}

/* Tell whether a line is surely what `copytaster.kinds.is_running` says, with nothing run together. */
static inline int is_plain(const int width, const Text *text, const Line *line, PyObject *suspects)
{
    const Py_UCS4 first = at(width, text, line->start), last = at(width, text, line->end - 1);
    if (line->end - line->start <= SENTENCE || !(Py_UNICODE_ISUPPER(first) || is_quote(first)))
        return 0;
    if (last != '.' && last != '!' && last != '?' && last != '"' && last != 0x201D && last != ':')
        return 0;
    for (int i = 0; i < 3; i++)
        if (at(width, text, line->start + i) == ')')
            return 0;
    if (tells_of_cookies(width, text, line) || has_seam(width, text, line))
        return 0;
    const int suspect = is_suspect(width, text, line, suspects);
    return suspect < 0 ? -1 : !suspect;
}

/* Tell whether a line may belong together with those after it. */
static inline int may_go_on(const int width, const Text *text, const Line *line)
{
    const Py_UCS4 first = at(width, text, line->start), last = at(width, text, line->end - 1);
    if (first == '#' || first == '>' || first == '|' || first == '`' || first == '~')
        return 1;
    if (last == '#' || last == '=' || last == '-' || last == '*' || last == '_')
        return 1;
    Py_ssize_t i = line->next;
    while (i < text->length && is_blank(at(width, text, i)) && !is_break(at(width, text, i)))
        i++;
    return i < text->length && !is_break(at(width, text, i));
}

/* Append what Python makes of a line. */
static int append_looked_at(const Side *side, const Text *text, const Line *line)
{
    PyObject *string = PyUnicode_Substring(text->string, line->start, line->end);
    PyObject *found = string ? PyObject_CallFunction(side->look, "Nn", string, line->start) : NULL;
    const Py_ssize_t size = PyList_GET_SIZE(side->blocks);
    const int good = found && PyList_SetSlice(side->blocks, size, size, found) == 0;
    Py_XDECREF(found);
    return good;
}

/* Append a line as running text. */
static int append(const Side *side, const Text *text, const Line *line)
{
    PyObject *start = PyLong_FromSsize_t(line->start), *end = PyLong_FromSsize_t(line->end);
    PyObject *string = PyUnicode_Substring(text->string, line->start, line->end);
    PyObject *fields = start && end && string ? PyTuple_Pack(4, side->body, start, end, string) : NULL;
    PyObject *arguments = fields ? PyTuple_Pack(1, fields) : NULL;
    PyObject *block = arguments ? PyTuple_Type.tp_new(side->cls, arguments, NULL) : NULL;
    const int good = block && PyList_Append(side->blocks, block) == 0;
    Py_XDECREF(start);
    Py_XDECREF(end);
    Py_XDECREF(string);
    Py_XDECREF(fields);
    Py_XDECREF(arguments);
    Py_XDECREF(block);
    return good;
}

/* Append blocks until a line may belong together with others, and return where it begins; -1 after an exception. */
static inline Py_ssize_t scan_from(const int width, const Side *side, const Text *text, Py_ssize_t start)
{
    while (start < text->length) {
        const Line line = line_at(width, text, start);
        if (line.end > line.start) {
            const int plain = is_plain(width, text, &line, side->suspects);
            if (plain < 0)
                return -1;
            if (!(plain && line.end - line.start > LONG) && may_go_on(width, text, &line))
                break;
            if (!(plain ? append : append_looked_at)(side, text, &line))
                return -1;
        }
        start = line.next;
    }
    return start;
}

PyDoc_STRVAR(SCAN_DOC, "scan(text, start, blocks, look, suspects, cls)\n--\n\n"
                       "Append the blocks of lines that stand by themselves; return where one begins that may not.");

static PyObject *scan(PyObject *self, PyObject *args)
{
    Text text;
    Side side;
    Py_ssize_t start;
    (void)self;
    if (!PyArg_ParseTuple(args, "UnO!OO!O!", &text.string, &start, &PyList_Type, &side.blocks, &side.look,
                          &PyFrozenSet_Type, &side.suspects, &PyType_Type, &side.cls))
        return NULL;
#if PY_VERSION_HEX < 0x030C0000
    if (PyUnicode_READY(text.string) < 0)
        return NULL;
#endif
    if (start < 0 || !PyType_IsSubtype(side.cls, &PyTuple_Type))
        return PyErr_Format(PyExc_ValueError, "no place in a text, or no sort of tuple");
    if (!(side.body = PyUnicode_InternFromString("body")))
        return NULL;
    text.data = PyUnicode_DATA(text.string);
    text.length = PyUnicode_GET_LENGTH(text.string);
    switch (PyUnicode_KIND(text.string)) {
    case PyUnicode_1BYTE_KIND: start = scan_from(PyUnicode_1BYTE_KIND, &side, &text, start); break;
    case PyUnicode_2BYTE_KIND: start = scan_from(PyUnicode_2BYTE_KIND, &side, &text, start); break;
    default: start = scan_from(PyUnicode_4BYTE_KIND, &side, &text, start);
    }
    Py_DECREF(side.body);
    return start < 0 ? NULL : PyLong_FromSsize_t(start);
}

static PyMethodDef METHODS[] = {{"scan", scan, METH_VARARGS, SCAN_DOC}, {NULL, NULL, 0, NULL}};

static PyModuleDef_Slot SLOTS[] = {
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_lines", "Lines that are blocks by themselves, faster.", 0, METHODS, SLOTS, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__lines(void)
{
    return PyModuleDef_Init(&MODULE);
}
