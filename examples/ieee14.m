function mpc = ieee14
% IEEE 14-bus test system: a part of the American Electric Power system in the Midwest, February 1962.
% Figures: IEEE Common Data Format file "IEEE 14 Bus Test Case" of the Power Systems Test Case Archive,
% University of Washington (labs.ece.uw.edu/pstca/pf14/). Impedances in p.u. on 100 MVA.
% Not in the archive and chosen here: base voltages (132 kV north, 33 kV south, 11 kV condenser at bus 8,
% 1 kV for the star point of the three-winding transformer at bus 7), voltage limits, ratings, active limits
% and costs of the machines. None of them enters a power flow. The archive's voltages of up to 1.09 and meters with
% a standard deviation of 1 % want a distance of more than five deviations to the upper limit of voltage.
mpc.version = '2';
mpc.baseMVA = 100;

% bus_i type Pd Qd Gs Bs area Vm Va baseKV zone Vmax Vmin
mpc.bus = [
     1  3   0.0   0.0  0   0  1  1.060    0.00  132  1  1.13  0.94;
     2  2  21.7  12.7  0   0  1  1.045   -4.98  132  1  1.13  0.94;
     3  2  94.2  19.0  0   0  1  1.010  -12.72  132  1  1.13  0.94;
     4  1  47.8  -3.9  0   0  1  1.019  -10.33  132  1  1.13  0.94;
     5  1   7.6   1.6  0   0  1  1.020   -8.78  132  1  1.13  0.94;
     6  2  11.2   7.5  0   0  1  1.070  -14.22   33  1  1.13  0.94;
     7  1   0.0   0.0  0   0  1  1.062  -13.37    1  1  1.13  0.94;
     8  2   0.0   0.0  0   0  1  1.090  -13.36   11  1  1.15  0.94;
     9  1  29.5  16.6  0  19  1  1.056  -14.94   33  1  1.13  0.94;
    10  1   9.0   5.8  0   0  1  1.051  -15.10   33  1  1.13  0.94;
    11  1   3.5   1.8  0   0  1  1.057  -14.79   33  1  1.13  0.94;
    12  1   6.1   1.6  0   0  1  1.055  -15.07   33  1  1.13  0.94;
    13  1  13.5   5.8  0   0  1  1.050  -15.16   33  1  1.13  0.94;
    14  1  14.9   5.0  0   0  1  1.036  -16.04   33  1  1.13  0.94;
];

% bus Pg Qg Qmax Qmin Vg mBase status Pmax Pmin
mpc.gen = [
    1  232.4  -16.9  10    0  1.060  100  1  350  0;
    2   40.0   42.4  50  -40  1.045  100  1  140  0;
    3    0.0   23.4  40    0  1.010  100  1    0  0;   % synchronous condenser
    6    0.0   12.2  24   -6  1.070  100  1    0  0;   % synchronous condenser
    8    0.0   17.4  24   -6  1.090  100  1    0  0;   % synchronous condenser
];

% fbus tbus r x b rateA rateB rateC ratio angle status angmin angmax
mpc.branch = [
     1   2  0.01938  0.05917  0.0528  240  0  0  0      0  1  -360  360;
     1   5  0.05403  0.22304  0.0492  120  0  0  0      0  1  -360  360;
     2   3  0.04699  0.19797  0.0438  120  0  0  0      0  1  -360  360;
     2   4  0.05811  0.17632  0.0340  100  0  0  0      0  1  -360  360;
     2   5  0.05695  0.17388  0.0346  100  0  0  0      0  1  -360  360;
     3   4  0.06701  0.17103  0.0128   60  0  0  0      0  1  -360  360;
     4   5  0.01335  0.04211  0       120  0  0  0      0  1  -360  360;
     4   7  0        0.20912  0        60  0  0  0.978  0  1  -360  360;
     4   9  0        0.55618  0        40  0  0  0.969  0  1  -360  360;
     5   6  0        0.25202  0        80  0  0  0.932  0  1  -360  360;
     6  11  0.09498  0.19890  0        32  0  0  0      0  1  -360  360;
     6  12  0.12291  0.25581  0        32  0  0  0      0  1  -360  360;
     6  13  0.06615  0.13027  0        32  0  0  0      0  1  -360  360;
     7   8  0        0.17615  0        40  0  0  0      0  1  -360  360;
     7   9  0        0.11001  0        60  0  0  0      0  1  -360  360;
     9  10  0.03181  0.08450  0        32  0  0  0      0  1  -360  360;
     9  14  0.12711  0.27038  0        32  0  0  0      0  1  -360  360;
    10  11  0.08205  0.19207  0        32  0  0  0      0  1  -360  360;
    12  13  0.22092  0.19988  0        32  0  0  0      0  1  -360  360;
    13  14  0.17093  0.34802  0        32  0  0  0      0  1  -360  360;
];

% model startup shutdown n c2 c1 c0
mpc.gencost = [
    2  0  0  3  0.04  20  0;
    2  0  0  3  0.25  20  0;
    2  0  0  3  0     40  0;
    2  0  0  3  0     40  0;
    2  0  0  3  0     40  0;
];
