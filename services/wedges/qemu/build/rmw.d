build/rmw.o: rmw.c insn.h
insn.h:
