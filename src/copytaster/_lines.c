/* The lines of a text that are blocks by themselves: what `copytaster.article.segment` does line by line.
 *
 * It finds nothing that Python would not find: where a line may be more than plain running text, Python is asked
 * to look at it, and where a line may belong together with others, Python goes on from there. Texts are not
 * trusted; they are only read, and within their length.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

/* As in copytaster/kinds.py and copytaster/glued.py, which say what they mean. */
enum { SENTENCE = 60, LONG = 100, SHORT = 240, REACH = 80, WORD = 20 };

/* What a line is; one of which that is not sure Python has to look at. */
enum { RUNNING, BODY, ITEM, HEADING, UNSURE };
static const char *const KIND_OF[UNSURE] = {"body", "body", "list-item", "heading"};

typedef struct {
    const void *data;
    Py_ssize_t length;
    PyObject *string;
} Text;

/* Words that Python hands over, sets but for the second, which maps to sets or None: see `copytaster.article`. */
typedef struct {
    PyObject *suspects, *beginnings, *share, *openers, *endings, *asks;
} Words;

/* What else it hands over, and the names of the kinds. */
typedef struct {
    PyObject *blocks, *look, *kinds[UNSURE];
    PyTypeObject *cls;
    Words words;
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

static inline int is_letter(Py_UCS4 c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
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

/* Read a word in letters of ASCII, made small, and return where it ends; `size` is -1 where it has too many. */
static inline Py_ssize_t read_word(const int width, const Text *text, Py_ssize_t i, Py_ssize_t end, char *word, Py_ssize_t *size)
{
    for (*size = 0; i < end && is_letter(at(width, text, i)); i++) {
        if (*size == WORD)
            *size = -1;
        if (*size < 0)
            break;
        word[(*size)++] = (char)(at(width, text, i) | 0x20);
    }
    return i;
}

/* Tell whether a set holds a word; -1 where memory has run out. */
static inline int holds(PyObject *set, const char *word, Py_ssize_t size)
{
    PyObject *key = PyUnicode_FromStringAndSize(word, size);
    const int found = key ? PySet_Contains(set, key) : -1;
    Py_XDECREF(key);
    return found;
}

/* Tell whether `copytaster.glued.button_end` may find a border at a seam, by the words on either side of it. */
static inline int may_part(const int width, const Text *text, const Line *line, Py_ssize_t seam, const Words *words)
{
    char word[WORD];
    Py_ssize_t i = seam, size;
    if (is_quote(at(width, text, seam)) || at(width, text, seam) == 0xAB)
        return 1;
    for (Py_ssize_t left = i; left > line->start; i = left) { /* back to the start of a word, or to a capital in it */
        const Py_UCS4 c = at(width, text, --left);
        if (c >= 0x80)
            return 1;
        if (!is_letter(c))
            break;
        if (c < 'a' && left > line->start && at(width, text, left - 1) >= 'a' && at(width, text, left - 1) <= 'z') {
            i = left;
            break;
        }
    }
    read_word(width, text, i, seam, word, &size);
    const Py_UCS4 before = at(width, text, seam - 1);
    const int ending = before >= '0' && before <= '9' ? 0 : size < 1 ? 1 : holds(words->endings, word, size);
    if (ending)
        return ending;
    read_word(width, text, seam, line->end, word, &size);
    return size < 1 ? 0 : holds(words->openers, word, size);
}

/* Tell whether a line may be parted where elements of a page are run together: near its front `copytaster.glued.SEAM`
 * matches, and the words around do not forbid it; -1 where memory has run out. */
static inline int is_glued(const int width, const Text *text, const Line *line, const Words *words)
{
    const Py_ssize_t end = line->end - line->start < REACH ? line->end : line->start + REACH;
    int capitals = 0;
    Py_UCS4 before = 0, c = at(width, text, line->start), following;
    for (Py_ssize_t i = line->start; i < end; i++, before = c, c = following) {
        following = i + 1 < end ? at(width, text, i + 1) : 0;
        capitals = c >= 'A' && c <= 'Z' ? capitals + 1 : 0;
        if ((capitals >= 4 && following >= 'a' && following <= 'z') || (is_capital(c) && ends_element(before)) ||
            ((is_quote(c) || c == 0xAB) && ends_element(before) && (following == '_' || Py_UNICODE_ISALNUM(following)))) {
            const int found = may_part(width, text, line, i, words);
            if (found)
                return found;
        }
    }
    return 0;
}

/* Tell whether the first word is one of the suspects, or not in ASCII; -1 where memory has run out. */
static inline int is_suspect(const int width, const Text *text, const Line *line, PyObject *suspects)
{
    char word[WORD];
    Py_ssize_t size = 0;
    for (; size < WORD; size++) { /* a line that comes here is longer */
        const Py_UCS4 c = at(width, text, line->start + size);
        if (is_blank(c))
            break;
        if (c >= 0x80 && !(c >= 0x2010 && c <= 0x2027)) /* of these, dashes and quotes, none is like ASCII */
            return 1;
        word[size] = (char)(c >= 'A' && c <= 'Z' ? c + 'a' - 'A' : c < 0x80 ? c : '-');
    }
    while (size && word[size - 1] == ':')
        size--;
    return holds(suspects, word, size);
}

static inline int tells_of_cookies(const int width, const Text *text, const Line *line, Py_ssize_t reach)
{
    const Py_ssize_t end = (line->end - line->start < reach ? line->end : line->start + reach) - 4;
    for (Py_ssize_t i = line->start; i < end; i++)
        if (at(width, text, i + 2) == 'k' && at(width, text, i) == 'o' && at(width, text, i + 1) == 'o' && at(width, text, i + 3) == 'i' &&
            at(width, text, i + 4) == 'e')
            return 1;
    return 0;
}

static inline int is_stop(Py_UCS4 c)
{
    return c == '.' || c == '!' || c == '?';
}

/* Tell whether a line is surely what `copytaster.kinds.is_running` says; -1 where memory has run out. */
static inline int is_running(const int width, const Text *text, const Line *line, const Words *words)
{
    const Py_UCS4 first = at(width, text, line->start), last = at(width, text, line->end - 1);
    if (line->end - line->start <= SENTENCE || !(Py_UNICODE_ISUPPER(first) || is_quote(first)))
        return 0;
    if (!is_stop(last) && last != '"' && last != 0x201D && last != ':')
        return 0;
    for (int i = 0; i < 3; i++)
        if (at(width, text, line->start + i) == ')')
            return 0;
    if (tells_of_cookies(width, text, line, SHORT))
        return 0;
    const int suspect = is_suspect(width, text, line, words->suspects);
    return suspect < 0 ? -1 : !suspect;
}

/* Tell whether a line of two words or more is surely no phrase of the site; -1 where memory has run out. */
static inline int begins_freely(const int width, const Text *text, Py_ssize_t start, Py_ssize_t end, const Words *words)
{
    char word[WORD];
    Py_ssize_t size, i = read_word(width, text, start, end, word, &size);
    if (size < 1 || i == end || !(at(width, text, i) == ' ' || at(width, text, i) == ','))
        return 0;
    PyObject *key = PyUnicode_FromStringAndSize(word, size);
    PyObject *second = key ? PyDict_GetItemWithError(words->beginnings, key) : NULL;
    Py_XDECREF(key);
    if (!second)
        return PyErr_Occurred() ? -1 : 1;
    i += at(width, text, i) == ',';
    while (i < end && at(width, text, i) == ' ')
        i++;
    i = read_word(width, text, i, end, word, &size);
    if (!PyFrozenSet_CheckExact(second) || size < 1 || i == end)
        return 0;
    const Py_UCS4 after = at(width, text, i);
    if (after >= 0x80 || after == '\'' || after == '-')
        return 0;
    const int found = holds(second, word, size);
    return found < 0 ? -1 : !found;
}

/* Tell whether a line is surely what `copytaster.kinds.odd_kind` calls "body": it closes as a sentence and does not begin
 * as phrases of a site do, or it is very long; -1 where memory has run out. */
static inline int is_sentence(const int width, const Text *text, const Line *line, const Words *words)
{
    const Py_ssize_t length = line->end - line->start, start = line->start + is_quote(at(width, text, line->start));
    Py_ssize_t i = start;
    while (i < line->end && is_letter(at(width, text, i)))
        i++;
    if (i == start || i == line->end || !(at(width, text, i) == ' ' || at(width, text, i) == ','))
        return 0;
    if (length > 2 * SHORT)
        return 1;
    const Py_UCS4 last = at(width, text, line->end - 1);
    if (!is_stop(last) && !((last == '"' || last == 0x201D) && is_stop(at(width, text, line->end - 2))))
        return 0;
    for (i = start; i < line->end; i++)
        if (at(width, text, i) == '@' || at(width, text, i) == '[')
            return 0;
    if (tells_of_cookies(width, text, line, length))
        return 0;
    return begins_freely(width, text, start, line->end, words);
}

/* Return where the first word of an item begins, its mark and white space being passed over; 0 where there is no mark. */
static inline Py_ssize_t after_mark(const int width, const Text *text, const Line *line)
{
    Py_ssize_t i = line->start;
    const Py_UCS4 first = at(width, text, i++);
    if (first >= '0' && first <= '9') {
        while (i < line->end && at(width, text, i) >= '0' && at(width, text, i) <= '9')
            i++;
        if (i == line->end || i - line->start > (at(width, text, i) == ')' ? 2 : 3) ||
            !(at(width, text, i) == ')' || at(width, text, i) == '.'))
            return 0;
        i++;
    } else if (first != '-' && first != '*' && first != '+' && first != 0x2022 && first != 0x2013)
        return 0;
    return i < line->end && at(width, text, i) == ' ' ? i + 1 : 0;
}

/* Tell whether a line is surely what `copytaster.kinds.odd_kind` calls "list-item"; -1 where memory has run out. */
static inline int is_marked(const int width, const Text *text, const Line *line, const Words *words)
{
    char word[WORD];
    Py_ssize_t size, i = after_mark(width, text, line);
    if (!i)
        return 0;
    while (i < line->end && !is_letter(at(width, text, i)))
        if (at(width, text, i++) >= 0x80)
            return 0;
    if (line->end - line->start >= SENTENCE)
        return i < line->end;
    i = read_word(width, text, i, line->end, word, &size);
    if (size < 1)
        return 0;
    if (i < line->end && (at(width, text, i) >= 0x80 || at(width, text, i) == '\'' || at(width, text, i) == '-'))
        return 0;
    const int shared = holds(words->share, word, size);
    return shared < 0 ? -1 : !shared;
}

/* Tell whether a line holds any of some words, whatever their capitals. */
static inline int holds_any(const int width, const Text *text, const Line *line, const char *const *words, size_t count)
{
    for (Py_ssize_t i = line->start; i < line->end; i++)
        for (size_t k = 0; k < count; k++) {
            Py_ssize_t j = 0;
            while (words[k][j] && i + j < line->end && (at(width, text, i + j) | 0x20) == (Py_UCS4)(words[k][j] | 0x20))
                j++;
            if (!words[k][j])
                return 1;
        }
    return 0;
}

/* Tell whether a line is surely what `copytaster.kinds.odd_kind` calls "heading", or, if longer, "body": in words of
 * ASCII with hardly a mark, ending in a letter and beginning in a way of its own; UNSURE if not, -1 where memory has run out. */
static inline int unended(const int width, const Text *text, const Line *line, const Words *words)
{
    static const char *const CREDITED[] = {"photo", "image", "picture", "credit"};
    static const char *const ASKING[] = {"please", "n us", "us know", "gn up", "reg", "donate", "subscr", "k here", "s here",
                                         "noon"}; /* as in `copytaster.kinds._REQUEST` */
    const Py_ssize_t length = line->end - line->start;
    char word[WORD];
    Py_ssize_t size, spaces = 0, last = 0;
    if (length > SHORT || !is_letter(at(width, text, line->end - 1)))
        return UNSURE;
    for (Py_ssize_t i = line->start; i < line->end; i++) {
        const Py_UCS4 c = at(width, text, i), before = i > line->start ? at(width, text, i - 1) : ' ';
        if (c == ' ') {
            if (before == ' ')
                return UNSURE;
            spaces++;
            last = i + 1;
        } else if (!(is_letter(c) || c == ',' || c == '\'' || c == '&' || c == 0x2019 || (c == '-' && before != ' ')) &&
                   !(length > LONG && ((c >= '0' && c <= '9') || c == '.' || c == ';' || c == '(' || c == ')' || c == '$' ||
                                       c == '"' || c == 0x201C || c == 0x201D)))
            return UNSURE;
    }
    if (length > LONG) {
        for (Py_ssize_t i = last; i < line->end; i++)
            if (at(width, text, i) < 'a' || at(width, text, i) > 'z')
                return UNSURE;
        if (spaces < 4)
            return UNSURE;
    } else if (at(width, text, line->start) >= 'a' || holds_any(width, text, line, ASKING, sizeof ASKING / sizeof *ASKING))
        return UNSURE;
    read_word(width, text, line->start, line->end, word, &size);
    if (size < 1 || (size > 3 && memcmp(word, "here", 4) == 0) || tells_of_cookies(width, text, line, length) ||
        holds_any(width, text, line, CREDITED, sizeof CREDITED / sizeof *CREDITED))
        return UNSURE;
    const int asks = holds(words->asks, word, size);
    const int free = asks ? 0 : begins_freely(width, text, line->start, line->end, words);
    return asks < 0 || free < 0 ? -1 : !free ? UNSURE : length > LONG ? BODY : HEADING;
}

/* Say what a line is by which it stands; -1 where memory has run out. */
static inline int find_out(const int width, const Text *text, const Line *line, const Words *words)
{
    const int marked = is_marked(width, text, line, words);
    if (marked)
        return marked < 0 ? -1 : ITEM;
    const int running = is_running(width, text, line, words);
    const int sentence = running ? 0 : is_sentence(width, text, line, words);
    if (running < 0 || sentence < 0)
        return -1;
    const int what = running ? RUNNING : sentence ? BODY : unended(width, text, line, words);
    if (what < 0 || what == UNSURE)
        return what;
    const int glued = is_glued(width, text, line, words);
    return glued < 0 ? -1 : glued ? UNSURE : what;
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

/* Append a line as a block. */
static int append(const Side *side, const Text *text, const Line *line, PyObject *kind)
{
    PyObject *start = PyLong_FromSsize_t(line->start), *end = PyLong_FromSsize_t(line->end);
    PyObject *string = PyUnicode_Substring(text->string, line->start, line->end);
    PyObject *fields = start && end && string ? PyTuple_Pack(4, kind, start, end, string) : NULL;
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
            const int what = find_out(width, text, &line, &side->words);
            if (what < 0)
                return -1;
            if (!(what == RUNNING && line.end - line.start > LONG) && may_go_on(width, text, &line))
                break;
            if (!(what == UNSURE ? append_looked_at(side, text, &line) : append(side, text, &line, side->kinds[what])))
                return -1;
        }
        start = line.next;
    }
    return start;
}

PyDoc_STRVAR(SCAN_DOC, "scan(text, start, blocks, look, cls, words)\n--\n\n"
                       "Append the blocks of lines that stand by themselves; return where one begins that may not.");

static PyObject *scan(PyObject *self, PyObject *args)
{
    Text text;
    Side side;
    Words *words = &side.words;
    Py_ssize_t start;
    (void)self;
    if (!PyArg_ParseTuple(args, "UnO!OO!(O!O!O!O!O!O!)", &text.string, &start, &PyList_Type, &side.blocks, &side.look,
                          &PyType_Type, &side.cls, &PyFrozenSet_Type, &words->suspects, &PyDict_Type, &words->beginnings,
                          &PyFrozenSet_Type, &words->share, &PyFrozenSet_Type, &words->openers, &PyFrozenSet_Type,
                          &words->endings, &PyFrozenSet_Type, &words->asks))
        return NULL;
#if PY_VERSION_HEX < 0x030C0000
    if (PyUnicode_READY(text.string) < 0)
        return NULL;
#endif
    if (start < 0 || !PyType_IsSubtype(side.cls, &PyTuple_Type))
        return PyErr_Format(PyExc_ValueError, "no place in a text, or no sort of tuple");
    int held = 0;
    while (held < UNSURE && (side.kinds[held] = PyUnicode_InternFromString(KIND_OF[held])))
        held++;
    text.data = PyUnicode_DATA(text.string);
    text.length = PyUnicode_GET_LENGTH(text.string);
    if (held < UNSURE)
        start = -1;
    else
        switch (PyUnicode_KIND(text.string)) {
        case PyUnicode_1BYTE_KIND: start = scan_from(PyUnicode_1BYTE_KIND, &side, &text, start); break;
        case PyUnicode_2BYTE_KIND: start = scan_from(PyUnicode_2BYTE_KIND, &side, &text, start); break;
        default: start = scan_from(PyUnicode_4BYTE_KIND, &side, &text, start);
        }
    while (held > 0)
        Py_DECREF(side.kinds[--held]);
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
