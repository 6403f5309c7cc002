build/insn.o: insn.c insn.h
insn.h:
