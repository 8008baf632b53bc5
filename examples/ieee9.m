function mpc = ieee9
% Nine-bus, three-machine system of the Western System Coordinating Council.
% Figures: P. M. Anderson and A. A. Fouad, Power System Control and Stability, 1977, section 2.10.
% Impedances in p.u. on 100 MVA. Limits, ratings and costs are chosen here; none enters a power flow.
mpc.version = '2';
mpc.baseMVA = 100;

% bus_i type Pd Qd Gs Bs area Vm Va baseKV zone Vmax Vmin
mpc.bus = [
    1  3    0   0  0  0  1  1.040   0.0   16.5  1  1.10  0.90;
    2  2    0   0  0  0  1  1.025   9.3   18.0  1  1.10  0.90;
    3  2    0   0  0  0  1  1.025   4.7   13.8  1  1.10  0.90;
    4  1    0   0  0  0  1  1.026  -2.2  230.0  1  1.10  0.90;
    5  1  125  50  0  0  1  0.996  -4.0  230.0  1  1.10  0.90;
    6  1   90  30  0  0  1  1.013  -3.7  230.0  1  1.10  0.90;
    7  1    0   0  0  0  1  1.026   3.7  230.0  1  1.10  0.90;
    8  1  100  35  0  0  1  1.016   0.7  230.0  1  1.10  0.90;
    9  1    0   0  0  0  1  1.032   2.0  230.0  1  1.10  0.90;
];

% bus Pg Qg Qmax Qmin Vg mBase status Pmax Pmin
mpc.gen = [
    1   71.6   27.0  150  -100  1.040  100  1  247.5  0;
    2  163.0    6.7  150  -100  1.025  100  1  192.0  0;
    3   85.0  -10.9  100   -80  1.025  100  1  128.0  0;
];

% fbus tbus r x b rateA rateB rateC ratio angle status angmin angmax
mpc.branch = [
    1  4  0       0.0576  0      250  0  0  1  0  1  -360  360;
    2  7  0       0.0625  0      200  0  0  1  0  1  -360  360;
    3  9  0       0.0586  0      150  0  0  1  0  1  -360  360;
    4  5  0.0100  0.0850  0.176  150  0  0  0  0  1  -360  360;
    4  6  0.0170  0.0920  0.158  150  0  0  0  0  1  -360  360;
    5  7  0.0320  0.1610  0.306  150  0  0  0  0  1  -360  360;
    6  9  0.0390  0.1700  0.358  150  0  0  0  0  1  -360  360;
    7  8  0.0085  0.0720  0.149  150  0  0  0  0  1  -360  360;
    8  9  0.0119  0.1008  0.209  150  0  0  0  0  1  -360  360;
];

% model startup shutdown n c2 c1 c0
mpc.gencost = [
    2  0  0  3  0.11  5.0  150;
    2  0  0  3  0.09  1.2  600;
    2  0  0  3  0.12  1.0  335;
];
