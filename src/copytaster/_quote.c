/* A string as JSON, non-ASCII characters as they are: json.encoder.encode_basestring, which is the reference.
 *
 * Most texts have nothing to escape, which a loop without branches finds out; they are copied as they are.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdint.h>
#include <string.h>

/* How many characters stand for one. */
static inline Py_ssize_t size_of(Py_UCS4 c)
{
    if (c == '"' || c == '\\' || (c >= '\b' && c <= '\r' && c != '\v'))
        return 2;
    return c < ' ' ? 6 : 1;
}

/* Only called with constant widths, so that each has a loop of its own. */
static inline int has_escapes(const int width, const void *data, Py_ssize_t length)
{
    int found = 0;
    for (Py_ssize_t i = 0; i < length; i++) {
        const Py_UCS4 c = PyUnicode_READ(width, data, i);
        found |= (c < ' ') | (c == '"') | (c == '\\');
    }
    return found;
}

static Py_ssize_t write_escape(const int kind, void *data, Py_ssize_t at, Py_UCS4 c)
{
    static const char LETTERS[] = "btn?fr", DIGITS[] = "0123456789abcdef";
    PyUnicode_WRITE(kind, data, at++, '\\');
    if (size_of(c) == 2)
        PyUnicode_WRITE(kind, data, at++, c == '"' || c == '\\' ? c : (Py_UCS4)LETTERS[c - '\b']);
    else {
        const Py_UCS4 digits[] = {'u', '0', '0', (Py_UCS4)DIGITS[c >> 4], (Py_UCS4)DIGITS[c & 15]};
        for (int i = 0; i < 5; i++)
            PyUnicode_WRITE(kind, data, at++, digits[i]);
    }
    return at;
}

static PyObject *quote(PyObject *self, PyObject *text)
{
    (void)self;
    if (!PyUnicode_Check(text))
        return PyErr_Format(PyExc_TypeError, "not a string");
#if PY_VERSION_HEX < 0x030C0000
    if (PyUnicode_READY(text) < 0)
        return NULL;
#endif
    const int kind = PyUnicode_KIND(text);
    const Py_ssize_t length = PyUnicode_GET_LENGTH(text);
    const void *from = PyUnicode_DATA(text);
    const int escapes = kind == PyUnicode_1BYTE_KIND ? has_escapes(PyUnicode_1BYTE_KIND, from, length)
                      : kind == PyUnicode_2BYTE_KIND ? has_escapes(PyUnicode_2BYTE_KIND, from, length)
                                                     : has_escapes(PyUnicode_4BYTE_KIND, from, length);
    Py_ssize_t size = length;
    for (Py_ssize_t i = 0; escapes && i < length; i++) {
        const Py_ssize_t more = size_of(PyUnicode_READ(kind, from, i)) - 1;
        if (size > PY_SSIZE_T_MAX - 2 - more)
            return PyErr_NoMemory();
        size += more;
    }
    PyObject *made = PyUnicode_New(size + 2, PyUnicode_MAX_CHAR_VALUE(text));
    if (!made)
        return NULL;
    void *to = PyUnicode_DATA(made);
    PyUnicode_WRITE(kind, to, 0, '"');
    if (!escapes)
        memcpy((char *)to + kind, from, (size_t)length * (size_t)kind);
    else
        for (Py_ssize_t i = 0, at = 1; i < length; i++) {
            const Py_UCS4 c = PyUnicode_READ(kind, from, i);
            if (size_of(c) == 1)
                PyUnicode_WRITE(kind, to, at++, c);
            else
                at = write_escape(kind, to, at, c);
        }
    PyUnicode_WRITE(kind, to, size + 1, '"');
    return made;
}

static PyMethodDef METHODS[] = {
    {"quote", quote, METH_O, PyDoc_STR("quote(text, /)\n--\n\nWrite a string as JSON.")}, {NULL, NULL, 0, NULL}};

static PyModuleDef_Slot SLOTS[] = {
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_quote", "Strings as JSON, faster.", 0, METHODS, SLOTS, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__quote(void)
{
    return PyModuleDef_Init(&MODULE);
}
